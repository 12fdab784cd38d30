package controls

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// writeTimeout bounds one write, however many requests it is of.
const writeTimeout = 30 * time.Second

// ErrUnwritten is wrapped where the topic did not take a request in time.
var ErrUnwritten = errors.New("the request was not written")

// Writer asks.
type Writer struct{ client *kgo.Client }

// NewWriter makes a writer with a client of its own. Close must be called.
func NewWriter(cfg kafka.Config) (*Writer, error) {
	cl, err := kafka.NewProducer(cfg)
	if err != nil {
		return nil, fmt.Errorf("making writer of requests: %w", err)
	}
	return &Writer{cl}, nil
}

// Close closes the client.
func (w *Writer) Close() { w.client.Close() }

// Rule pauses or resumes a rule.
func (w *Writer) Rule(ctx context.Context, r Rule) error { return w.write(ctx, r.Record()) }

// Endpoint enables or disables an endpoint.
func (w *Writer) Endpoint(ctx context.Context, e Endpoint) error { return w.write(ctx, e.Record()) }

// Retry asks for calls to be made again.
func (w *Writer) Retry(ctx context.Context, list ...Retry) error {
	var records []*kgo.Record
	for _, r := range list {
		records = append(records, r.Record())
	}
	return w.write(ctx, records...)
}

func (w *Writer) write(ctx context.Context, records ...*kgo.Record) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if err := w.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("%w into %s: %w", ErrUnwritten, schemas.TopicControls, err)
	}
	return nil
}

// Caller names who asks from a command line: user@host, as far as they are known.
func Caller() string {
	name := "somebody"
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}
