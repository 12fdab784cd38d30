package schemas

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
)

// fetchTimeout bounds one question to the registry: Decode has no context.
const fetchTimeout = 10 * time.Second

// maxResolved bounds the cache of resolved schemas. Ids come from records, so
// that garbage could fill it; in earnest there are a few per topic.
const maxResolved = 256

// resolver decodes records that were written with another version of a schema.
type resolver struct {
	client *sr.Client

	mu       sync.RWMutex
	resolved map[resolverKey]resolution
}

type resolverKey struct {
	id     uint32
	record reflect.Type
}

// resolution is how to read one version of a writer's schema, or why it cannot
// be read.
type resolution struct {
	from *avro.Schema // the writer's schema resolved to the reader's
	to   *avro.Schema // the reader's schema
	err  error
}

func newResolver(client *sr.Client) *resolver {
	return &resolver{client: client, resolved: map[resolverKey]resolution{}}
}

// decode goes over the reader's binary form, so that the generated code alone
// knows how a record lies in its Go type.
func (r *resolver) decode(id uint32, body []byte, rec Record) error {
	res, err := r.resolution(id, rec)
	if err != nil {
		return fmt.Errorf("resolving schema id %d to %s: %w", id, recordName(rec), err)
	}
	var v any
	rest, err := res.from.Decode(body, &v)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes left over", len(rest))
	}
	if err != nil {
		return fmt.Errorf("decoding %s of schema id %d: %w", recordName(rec), id, err)
	}
	b, err := res.to.AppendEncode(make([]byte, 0, 2*len(body)), v)
	if err != nil {
		return fmt.Errorf("decoding %s of schema id %d: %w", recordName(rec), id, err)
	}
	return rec.DecodeAvro(b)
}

// resolution returns the cached resolution or makes it. Several goroutines may
// make the same one at the same time; that does no harm.
func (r *resolver) resolution(id uint32, rec Record) (resolution, error) {
	key := resolverKey{id, reflect.TypeOf(rec)}
	r.mu.RLock()
	res, ok := r.resolved[key]
	r.mu.RUnlock()
	if ok {
		return res, res.err
	}
	writer, err := r.fetch(id)
	if err != nil {
		return resolution{}, err
	}
	res = resolve(writer, rec.AvroSchema())
	r.mu.Lock()
	if len(r.resolved) >= maxResolved {
		clear(r.resolved)
	}
	r.resolved[key] = res
	r.mu.Unlock()
	return res, res.err
}

func (r *resolver) fetch(id uint32) (sr.Schema, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	writer, err := r.client.SchemaByID(ctx, int(id))
	if err != nil {
		return sr.Schema{}, registryError(err)
	}
	return writer, nil
}

func resolve(writer sr.Schema, reader string) resolution {
	if writer.Type != sr.TypeAvro {
		return resolution{err: fmt.Errorf("the writer's schema is %s, not Avro", writer.Type)}
	}
	if len(writer.References) > 0 {
		return resolution{err: errors.New("the writer's schema refers to other schemas, which is not supported")}
	}
	// Timestamps stay numbers, whatever year they are of.
	raw := avro.CustomType{LogicalType: "timestamp-micros"}
	from, err := avro.Parse(writer.Schema, avro.WithCustomType(raw))
	if err != nil {
		return resolution{err: fmt.Errorf("parsing the writer's schema: %w", err)}
	}
	to, err := avro.Parse(reader, avro.WithCustomType(raw))
	if err != nil {
		return resolution{err: fmt.Errorf("parsing the reader's schema: %w", err)}
	}
	resolved, err := avro.Resolve(from, to)
	if err != nil {
		return resolution{err: err}
	}
	return resolution{from: resolved, to: to}
}
