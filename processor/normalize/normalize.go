// Package normalize is the first stage: it decodes each webhook into events of
// one form for all providers, keyed by recipient, and says of what it can't
// read where it is and why. It has no state: the same webhook always gives the
// same events.
package normalize

import (
	"errors"
	"fmt"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/processor/normalize/client"
	"github.com/posthorn/posthorn/processor/normalize/geo"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// Name is the stage's name.
const Name = "normalize"

// Reasons of a Rejection beside those of package provider.
const (
	ReasonUnknownProvider = "unknown_provider"
	ReasonWebhookExpired  = "webhook_expired"
	ReasonBadReplay       = "bad_replay"
)

// The bounds of a provider's time that is believed, around received_at: one
// outside is kept but not used.
const (
	maxAge    = provider.MaxEventAge
	maxFuture = provider.MaxEventFuture
)

// Config configures the stage.
type Config struct {
	Serde *schemas.Serde
	// Secret returns the secret for recipient ids of a tenant, and false for a
	// tenant that has none.
	Secret func(tenant string) (secret []byte, ok bool)
	// Webhooks reads earlier webhooks for replays. Without it they are
	// rejected.
	Webhooks WebhookReader
	// Places tells the country of an address where the provider does not; nil:
	// none is told.
	Places *geo.Database
	// Hold tells up to when no webhook waits in a gateway's spool; see stream.Stage.
	// nil: none ever does.
	Hold func() (micro int64, ok bool)
	// Generation is the one to derive.
	Generation schemas.Generation
}

// OneSecret returns a Config.Secret with the same secret for every tenant.
func OneSecret(secret []byte) func(string) ([]byte, bool) {
	return func(string) ([]byte, bool) { return secret, true }
}

// Stage returns the stage.
func Stage(cfg Config) stream.Stage {
	return stream.Stage{
		Name:       cfg.Generation.Name(Name),
		Input:      schemas.TopicWebhooks,
		Root:       true,
		Hold:       cfg.Hold,
		FrontierTo: []string{cfg.Generation.Topic(schemas.TopicEventsByRecipient)},
		DeadLetter: schemas.TopicDeadLetters,
		NewTask: func(int32) (stream.Task, error) {
			if cfg.Serde == nil || cfg.Secret == nil {
				return nil, errors.New("normalize: Serde and Secret are required")
			}
			return &task{
				cfg: cfg, recipients: map[string]*recipients{},
				describer: describer{clients: client.NewCache(), places: cfg.Places},
				events:    cfg.Generation.Topic(schemas.TopicEventsByRecipient), rejected: cfg.Generation.Topic(schemas.TopicRejected),
			}, nil
		},
	}
}

// UnknownTenantError tells that a webhook's tenant has no secret: a fault of
// the configuration that stops the stage until it is mended, because events
// under another key could never be joined again.
type UnknownTenantError struct{ Tenant string }

func (e *UnknownTenantError) Error() string {
	return fmt.Sprintf("tenant %q has no secret for recipient ids: configure it", e.Tenant)
}
