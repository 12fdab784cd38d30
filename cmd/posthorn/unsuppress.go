package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/terminal"
	"github.com/posthorn/posthorn/schemas"
)

// What a webhook says that an operator has written: it came through no gateway.
const (
	operatorSource  = "posthorn" // account too
	schemeOperator  = "operator"
	eventUnsuppress = "unsuppressed"
)

type unsuppressOptions struct {
	list, reason string
	noWait       bool
	timeout      time.Duration
}

func (a *app) unsuppressCommand() *cobra.Command {
	var o unsuppressOptions
	cmd := &cobra.Command{
		Use: "unsuppress ADDRESS", Short: "Lift what is in force for an address", Args: cobra.ExactArgs(1),
		Long: `Writes an event to posthorn.webhooks that lifts every suppression of an address,
or that of one list. As it is part of the source of truth it is kept when
everything is derived anew. What happens later suppresses again. Prints what was
in force, and waits until the API shows that nothing of it is.`,
		Example: `  posthorn suppressions unsuppress anna@example.org --reason "confirmed by phone"
  posthorn suppressions unsuppress anna@example.org --list 12345`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.load(cmd, config.NeedKafka)
			if err != nil {
				return err
			}
			return a.unsuppress(cmd.Context(), cfg, args[0], o)
		},
	}
	config.AddFlags(cmd.Flags(), "brokers", "registry", "tenant", "api", "data")
	f := cmd.Flags()
	f.StringVar(&o.list, "list", "", "lift only what concerns the list of this id")
	f.StringVar(&o.reason, "reason", "", "why, kept with the event")
	f.BoolVar(&o.noWait, "no-wait", false, "write the event without asking the API before and after")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "how long to wait until it is lifted")
	return cmd
}

func (a *app) unsuppress(ctx context.Context, cfg *config.Config, address string, o unsuppressOptions) error {
	if !strings.Contains(address, "@") {
		return fmt.Errorf("%q is no e-mail address", address)
	}
	if !o.noWait {
		before, err := checkSuppression(ctx, cfg, address, o.list)
		if err != nil {
			return fmt.Errorf("%w (--no-wait writes the event without asking)", err)
		}
		if err := terminal.PrintSuppressionCheck(a.out, before); err != nil {
			return err
		}
		if len(o.concerned(before)) == 0 {
			what := "nothing"
			if o.list != "" {
				what = "nothing of list " + o.list
			}
			fmt.Fprintf(a.out, "There is %s to lift.\n", what)
			return nil
		}
	}
	place, err := a.writeUnsuppress(ctx, cfg, address, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "Written to %s as %s.\n", schemas.TopicWebhooks, place)
	if o.noWait {
		return nil
	}
	return a.awaitLifted(ctx, cfg, address, o)
}

// concerned returns what is in force that the event is to lift.
func (o *unsuppressOptions) concerned(check analytics.SuppressionCheck) (found []analytics.Suppression) {
	for _, s := range check.Suppressions {
		if o.list == "" || s.Scope == "list:"+o.list {
			found = append(found, s)
		}
	}
	return found
}

// unsuppressEvent is a native event.
type unsuppressEvent struct {
	EventID     uuid.UUID         `json:"event_id"`
	Type        string            `json:"type"`
	Recipient   string            `json:"recipient"`
	ListID      string            `json:"list_id,omitempty"`
	OccurredAt  time.Time         `json:"occurred_at"`
	Description string            `json:"description,omitempty"`
	Metadata    map[string]string `json:"metadata"`
}

// writeUnsuppress writes the event and returns where it stands.
func (a *app) writeUnsuppress(ctx context.Context, cfg *config.Config, address string, o unsuppressOptions) (place string, err error) {
	log, err := a.logger(cfg)
	if err != nil {
		return "", err
	}
	serde, err := register(ctx, cfg)
	if err != nil {
		return "", err
	}
	hook, err := unsuppressWebhook(cfg.Tenant, address, o.list, o.reason, time.Now())
	if err != nil {
		return "", err
	}
	cl, err := kafka.NewProducer(kafkaConfig(cfg, log), kgo.RecordDeliveryTimeout(time.Minute))
	if err != nil {
		return "", err
	}
	defer cl.Close()
	rec, err := cl.ProduceSync(ctx, &kgo.Record{Topic: schemas.TopicWebhooks, Value: serde.Append(nil, schemas.TopicWebhooks, hook)}).First()
	if err != nil {
		return "", fmt.Errorf("writing the event: %w", err)
	}
	return fmt.Sprintf("%d:%d", rec.Partition, rec.Offset), nil
}

// unsuppressWebhook is the event in a webhook that no gateway has received.
func unsuppressWebhook(tenant, address, list, reason string, now time.Time) (*schemas.Webhook, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("making webhook id: %w", err)
	}
	body, err := json.Marshal(unsuppressEvent{
		EventID: id, Type: eventUnsuppress, Recipient: strings.TrimSpace(address), ListID: list,
		OccurredAt: now.UTC().Truncate(time.Microsecond), Description: reason, Metadata: map[string]string{"by": operator()},
	})
	if err != nil {
		return nil, fmt.Errorf("making the event: %w", err)
	}
	return &schemas.Webhook{
		ID: schemas.ID(id), Tenant: tenant, Account: operatorSource, Source: operatorSource, Provider: provider.NameNative,
		ReceivedAt: schemas.FromTime(now), ContentType: "application/json", Body: body, CRC32C: schemas.Checksum(body), Verified: schemeOperator,
	}, nil
}

// operator is who runs this, as far as the system knows.
func operator() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

// awaitLifted waits until nothing that the event was to lift is in force.
func (a *app) awaitLifted(ctx context.Context, cfg *config.Config, address string, o unsuppressOptions) error {
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, errNotLifted)
	defer cancel()
	bar := a.bar(-1, "waiting until it is lifted")
	defer func() { _ = bar.Finish() }()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		check, err := checkSuppression(ctx, cfg, address, o.list)
		switch {
		case err != nil && ctx.Err() == nil:
			return fmt.Errorf("the event is written; waiting for its effect: %w", err)
		case err == nil && len(o.concerned(check)) == 0:
			_ = bar.Finish()
			fmt.Fprintln(a.out, "Lifted.")
			return nil
		}
		_ = bar.Add(1)
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %s: %w", o.timeout, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

var errNotLifted = errors.New("the event is written, but it is still in force: the stages or the sink are behind (posthorn status), or a later event has suppressed the address again; see posthorn suppressions check")
