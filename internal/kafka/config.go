// Package kafka is the one place that makes Kafka clients. Every constructor
// sets the options that matter explicitly, each with its reason, so that how
// Posthorn talks to Kafka can be read in one sitting:
//
//   - [NewProducer] writes webhooks: idempotent, acknowledged by all replicas,
//     bounded in time.
//   - [NewConsumer] reads partitions directly and only what is committed.
//   - [NewTransactional] consumes, processes and produces exactly once.
//   - [NewAdmin] creates and describes topics.
package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
)

// MaxRecordBytes is the largest record that the gateway may write: a body of
// 10 MiB with its envelope. Brokers and posthorn.webhooks need
// max.message.bytes of at least this.
const MaxRecordBytes = 12 << 20

// Config says how to reach the cluster.
type Config struct {
	// Brokers are the seed brokers, host:port.
	Brokers []string
	// ClientID names this process in the brokers' logs and quotas; the default
	// is "posthorn".
	ClientID string
	// TLS, where set, encrypts the connections.
	TLS *tls.Config
	// SASL, where set, authenticates the connections.
	SASL sasl.Mechanism
	// Dial, where set, opens the connections instead of a plain dialer, TLS
	// included: to go through a proxy, or to inject faults.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Logger takes the clients' warnings and errors, and their information at
	// debug level. The default is silence.
	Logger *slog.Logger
}

// NewAdmin makes a client for topics, groups and offsets. Call the returned
// function to close it.
func NewAdmin(cfg Config) (*kadm.Client, func(), error) {
	cl, err := newClient(cfg)
	if err != nil {
		return nil, nil, err
	}
	return kadm.NewClient(cl), cl.Close, nil
}

func newClient(cfg Config, opts ...kgo.Opt) (*kgo.Client, error) {
	base, err := cfg.options()
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(append(base, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("making Kafka client: %w", err)
	}
	return cl, nil
}

// options are what all clients share.
func (cfg Config) options() ([]kgo.Opt, error) {
	if len(cfg.Brokers) == 0 {
		return nil, errors.New("making Kafka client: no brokers configured")
	}
	id := cfg.ClientID
	if id == "" {
		id = "posthorn"
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(cfg.Brokers...),
		kgo.ClientID(id),

		// A broker that is gone is noticed in 5 s, not in the default 10 s:
		// the gateway's caller waits for at most a few of these.
		kgo.DialTimeout(5 * time.Second),
		kgo.RequestTimeoutOverhead(5 * time.Second),

		// Requests other than fetch and produce are given up after 30 s of
		// retries: longer than a broker's restart, shorter than patience.
		kgo.RetryTimeout(30 * time.Second),
		kgo.RetryBackoffFn(backoff),

		// Stale metadata delays every failover; asking twice a second at most
		// costs nothing beside that.
		kgo.MetadataMinAge(500 * time.Millisecond),
		kgo.MetadataMaxAge(time.Minute),

		// Client telemetry (KIP-714) is extra connections for numbers that
		// Posthorn exports itself.
		kgo.DisableClientMetrics(),
	}
	switch {
	case cfg.Dial != nil:
		opts = append(opts, kgo.Dialer(cfg.Dial))
	case cfg.TLS != nil:
		opts = append(opts, kgo.DialTLSConfig(cfg.TLS))
	}
	if cfg.SASL != nil {
		opts = append(opts, kgo.SASL(cfg.SASL))
	}
	if cfg.Logger != nil {
		opts = append(opts, kgo.WithLogger(slogAdapter{cfg.Logger}))
	}
	return opts, nil
}

// backoff waits 100 ms, doubling to 2 s, less up to a fifth: a restarted broker
// is used within two seconds, and clients do not come back in step.
func backoff(fails int) time.Duration {
	const first, limit = 100 * time.Millisecond, 2 * time.Second
	d := limit
	if fails < 6 {
		d = min(limit, first<<max(0, fails-1))
	}
	return d - time.Duration(rand.Int64N(int64(d/5)))
}
