// Command shop is what a shop needs to take Posthorn's callbacks: it verifies them
// with the public library of Standard Webhooks and gives each discount once.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9000", "address to listen on")
	flag.Parse()
	secret := os.Getenv("SHOP_SECRET") // the one of posthorn.yaml
	if secret == "" {
		secret = "whsec_T25seSBhbiBleGFtcGxlLCBtYWtlIHlvdXIgb3du"
	}
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		log.Fatalf("SHOP_SECRET: %v", err)
	}
	server := &http.Server{
		Addr: *listen, Handler: &shop{verifier: verifier, given: map[string]bool{}},
		ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
	}
	fmt.Printf("waiting for callbacks at http://%s/discounts\n", *listen)
	log.Fatal(server.ListenAndServe())
}

type shop struct {
	verifier *standardwebhooks.Webhook

	mu    sync.Mutex
	given map[string]bool // by webhook-id; a real shop keeps it in its database
}

// discount is the body that the template in posthorn.yaml makes.
type discount struct {
	Customer string
	Campaign string
	Discount struct {
		Code      string
		Percent   int
		ValidDays int `json:"valid_days"`
	}
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		http.Error(w, "the body can't be read", http.StatusBadRequest)
		return
	}
	if err := s.verifier.Verify(body, r.Header); err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	var d discount
	if err := json.Unmarshal(body, &d); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.Header.Get("webhook-id")
	if s.given[id] { // calls come at least once, always with the same id
		fmt.Printf("%s has had its discount\n", d.Customer)
		return
	}
	s.given[id] = true
	fmt.Printf("discount %s (%d %%, %d days) for %s, who opened %q\n", d.Discount.Code, d.Discount.Percent, d.Discount.ValidDays, d.Customer, d.Campaign)
}
