package schemas

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/sr"
)

// Subject is the name under which the registry keeps the schema of a topic's
// values.
func Subject(topic string) string { return topic + "-value" }

// Register registers the schemas of all topics, with compatibility
// BACKWARD_TRANSITIVE: a new build can read whatever an older one wrote. It
// returns the Serde that uses the ids the registry gave. Schemas that are there
// already keep their ids, so that every process may call it at its start.
func Register(ctx context.Context, client *sr.Client) (*Serde, error) {
	s := &Serde{topics: map[string]topicSchema{}, schemas: map[uint32]string{}, resolver: newResolver(client)}
	for _, topic := range recordTopics {
		subject := Subject(topic)
		for _, res := range client.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatBackwardTransitive}, subject) {
			if res.Err != nil {
				return nil, fmt.Errorf("setting the compatibility of subject %s: %w", subject, registryError(res.Err))
			}
		}
		schema := recordOf(topic).AvroSchema()
		got, err := client.CreateSchema(ctx, subject, sr.Schema{Schema: schema, Type: sr.TypeAvro})
		if err != nil {
			return nil, fmt.Errorf("registering the schema of subject %s: %w", subject, registryError(err))
		}
		s.add(topic, uint32(got.ID), schema)
	}
	return s, nil
}

// unavailableError is an error of the registry that may pass.
type unavailableError struct{ err error }

func (e unavailableError) Error() string { return "asking the schema registry: " + e.err.Error() }
func (e unavailableError) Unwrap() error { return e.err }

// Temporary keeps stages and sinks from giving the record up.
func (e unavailableError) Temporary() bool { return true }

// IsUnavailable tells whether err says that the registry could not be asked:
// the same call may succeed later, and nothing is wrong with the record.
func IsUnavailable(err error) bool {
	var e unavailableError
	return errors.As(err, &e)
}

// registryError marks an error as one that may pass, unless the registry itself
// says that it has understood the request: its codes have five digits, or are
// 409 and 422 for a schema that it refuses.
func registryError(err error) error {
	var res *sr.ResponseError
	if errors.As(err, &res) && (sr.IsNotFoundError(res.ErrorCode) || res.StatusCode == 409 || res.StatusCode == 422) {
		return err
	}
	return unavailableError{err}
}
