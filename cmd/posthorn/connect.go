package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// registryTimeout bounds the wait for a registry that is still starting.
const registryTimeout = 30 * time.Second

func kafkaConfig(cfg *config.Config, log *slog.Logger) kafka.Config {
	return kafka.Config{Brokers: cfg.Kafka.Brokers, ClientID: "posthorn", Logger: log}
}

// register registers the schemas and waits while the registry does not answer.
func register(ctx context.Context, cfg *config.Config) (*schemas.Serde, error) {
	client, err := sr.NewClient(sr.URLs(cfg.Registry.URL), sr.UserAgent("posthorn"))
	if err != nil {
		return nil, fmt.Errorf("making registry client: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, registryTimeout)
	defer cancel()
	for {
		serde, err := schemas.Register(ctx, client)
		if err == nil || !schemas.IsUnavailable(err) || ctx.Err() != nil {
			return serde, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// ensureTopics creates the topics that are missing: those that all generations
// share, and those of the live one.
func ensureTopics(ctx context.Context, cfg *config.Config, kc kafka.Config) error {
	admin, closeAdmin, err := kafka.NewAdmin(kc)
	if err != nil {
		return err
	}
	defer closeAdmin()
	partitions, replication := int32(cfg.Kafka.Partitions), int16(cfg.Kafka.Replication)
	if err := schemas.EnsureTopics(ctx, admin, schemas.Shared(partitions, replication)); err != nil {
		return err
	}
	live, err := generation.Read(ctx, kc)
	if err != nil {
		return err
	}
	return schemas.EnsureTopics(ctx, admin, live.Generation.Topics(partitions, replication))
}

func catalogue(cfg *config.Config) []schemas.Topic {
	return schemas.Catalogue(int32(cfg.Kafka.Partitions), int16(cfg.Kafka.Replication))
}
