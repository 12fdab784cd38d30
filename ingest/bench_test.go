package ingest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// BenchmarkGateway is what the gateway adds to a server that only forwards: one
// request with Basic authentication, without HTTP and without Kafka.
func BenchmarkGateway(b *testing.B) {
	for _, size := range []int{400, 40_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			g, err := New(Config{Sources: sources, Producer: instant{}, Serde: serde, Registerer: prometheus.NewRegistry()})
			if err != nil {
				b.Fatal(err)
			}
			body := bytes.Repeat([]byte("x"), size)
			r, _ := http.NewRequest(http.MethodPost, "/v1/webhooks/main", nil)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("User-Agent", "bench/1")
			r.SetBasicAuth("mj", "new")
			r.RemoteAddr = "192.0.2.17:40404"
			r.ContentLength = int64(size)
			b.ReportAllocs()
			reader := bytes.NewReader(body)
			r.Body = io.NopCloser(reader)
			w := discard{http.Header{}}
			for b.Loop() {
				reader.Reset(body)
				clear(w.h)
				g.ServeHTTP(w, r)
			}
		})
	}
}
