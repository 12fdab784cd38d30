package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/ingest"
	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// The variants, each a process of its own.
const (
	gateway = "gateway" // the product, as posthorn ingest runs it
	floor   = "floor"   // reads the body and produces it, and nothing else
	naive   = "naive"   // encoding/json, goavro, a record per event
)

// serve runs a variant until ctx ends.
func serve(ctx context.Context, variant string, brokers []string) error {
	cl, err := kafka.NewProducer(kafka.Config{Brokers: brokers})
	if err != nil {
		return err
	}
	defer cl.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	switch variant {
	case gateway:
		g, err := newGateway(cl)
		if err != nil {
			return err
		}
		return g.Serve(ctx, l)
	case floor:
		return serveHandler(ctx, l, forward(cl))
	case naive:
		h, err := newNaive(cl)
		if err != nil {
			return err
		}
		return serveHandler(ctx, l, h)
	}
	return fmt.Errorf("no variant %q", variant)
}

func serveHandler(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// forward is the floor.
func forward(cl *kgo.Client) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, max(0, r.ContentLength)) // the load always tells
		_, err := io.ReadFull(r.Body, body)
		if err == nil {
			err = cl.ProduceSync(r.Context(), &kgo.Record{Topic: schemas.TopicWebhooks, Value: body}).FirstErr()
		}
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
}

// What the sources are configured with, and the load signs with.
const (
	username = "mailjet"
	password = "b3a1c7de52f94a0e8d6f"
)

var hmacKey = []byte("0123456789abcdef0123456789abcdef")

// newGateway makes a gateway with a source of each scheme.
func newGateway(cl *kgo.Client) (*ingest.Gateway, error) {
	source := func(s scheme, p provider.Provider, c provider.Credentials) ingest.Source {
		return ingest.Source{Name: string(s), Tenant: "default", Account: "shop", Provider: p, Credentials: c}
	}
	public, err := ecdsaPublicKey()
	if err != nil {
		return nil, err
	}
	reg := prometheus.NewRegistry()
	return ingest.New(ingest.Config{
		Producer: cl, Serde: schemas.NewLocalSerde(), Registerer: reg,
		Sources: []ingest.Source{
			source(basic, provider.Mailjet{}, provider.Credentials{Username: username, Passwords: []string{password}}),
			source(hmac256, provider.StandardWebhooks{}, provider.Credentials{Keys: []string{"whsec_" + base64.StdEncoding.EncodeToString(hmacKey)}}),
			source(ecdsa256, provider.SendGrid{}, provider.Credentials{Keys: []string{public}}),
		},
	})
}
