package schemas

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// checkedConfigs are the settings that must be as in the catalogue. Others, such
// as retention, are for the operator to choose.
var checkedConfigs = [...]string{"cleanup.policy", "message.timestamp.type"}

// EnsureTopics creates the topics that are missing and checks the others: it
// changes nothing that is there. It returns once all are visible. The error
// names every topic that differs, and what to do.
func EnsureTopics(ctx context.Context, client *kadm.Client, topics []Topic) error {
	existing, missing, err := look(ctx, client, topics)
	if err != nil {
		return err
	}
	for _, t := range missing {
		config := map[string]*string{}
		for k, v := range t.Config {
			config[k] = &v
		}
		// Another process may have created it since.
		_, err := client.CreateTopic(ctx, t.Partitions, t.Replication, config, t.Name)
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("creating topic %s with %d partitions, replication %d: %w", t.Name, t.Partitions, t.Replication, err)
		}
	}
	// Brokers learn of new topics one after the other.
	for pause := 10 * time.Millisecond; len(missing) > 0; pause = min(2*pause, time.Second) {
		if existing, missing, err = look(ctx, client, topics); err != nil {
			return err
		}
		if len(missing) == 0 {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for topic %s to appear: %w", missing[0].Name, ctx.Err())
		case <-time.After(pause):
		}
	}
	return check(ctx, client, topics, existing)
}

// look splits topics in those that exist, with their partition counts, and
// those that do not.
func look(ctx context.Context, client *kadm.Client, topics []Topic) (existing map[string]int, missing []Topic, err error) {
	// Asking for authorized operations passes by the client's cache of metadata,
	// which would show a new topic seconds late.
	details, err := client.ListTopics(kadm.WithAuthorizedOps(ctx), names(topics)...)
	if err != nil {
		return nil, nil, fmt.Errorf("listing topics: %w", err)
	}
	existing = map[string]int{}
	for _, t := range topics {
		d, ok := details[t.Name]
		switch {
		case !ok || errors.Is(d.Err, kerr.UnknownTopicOrPartition):
			missing = append(missing, t)
		case d.Err != nil:
			return nil, nil, fmt.Errorf("looking up topic %s: %w", t.Name, d.Err)
		default:
			existing[t.Name] = len(d.Partitions)
		}
	}
	return existing, missing, nil
}

// describeLimit bounds the wait for the last broker to learn of a topic.
const describeLimit = 10 * time.Second

// describe asks for the topics' settings. Any broker may answer, also one that
// does not know a new topic yet: it is asked again.
func describe(ctx context.Context, client *kadm.Client, topics []Topic) (kadm.ResourceConfigs, error) {
	for began := time.Now(); ; {
		configs, err := client.DescribeTopicConfigs(ctx, names(topics)...)
		if err != nil {
			return nil, fmt.Errorf("describing topics: %w", err)
		}
		known := true
		for _, c := range configs {
			known = known && !errors.Is(c.Err, kerr.UnknownTopicOrPartition)
		}
		if known || time.Since(began) > describeLimit {
			return configs, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("describing topics: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func check(ctx context.Context, client *kadm.Client, topics []Topic, partitions map[string]int) error {
	configs, err := describe(ctx, client, topics)
	if err != nil {
		return err
	}
	var wrong []error
	for _, t := range topics {
		if n := partitions[t.Name]; n != int(t.Partitions) {
			wrong = append(wrong, fmt.Errorf("topic %s has %d partitions, want %d: keys would move to other partitions, "+
				"so configure %d or start with empty topics", t.Name, n, t.Partitions, n))
		}
		res, err := configs.On(t.Name, nil)
		if err == nil {
			err = res.Err
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("describing topic %s: %w", t.Name, err))
			continue
		}
		for _, key := range checkedConfigs {
			if got := configValue(res, key); got != t.Config[key] {
				wrong = append(wrong, fmt.Errorf("topic %s has %s=%s, want %s: change it with kafka-configs",
					t.Name, key, got, t.Config[key]))
			}
		}
	}
	return errors.Join(wrong...)
}

func configValue(res kadm.ResourceConfig, key string) string {
	for _, c := range res.Configs {
		if c.Key == key {
			return c.MaybeValue()
		}
	}
	return ""
}

func names(topics []Topic) []string {
	out := make([]string, len(topics))
	for i, t := range topics {
		out[i] = t.Name
	}
	return out
}
