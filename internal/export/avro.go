package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/cenkalti/backoff/v5"
	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// topicSource reads a topic, partition by partition, up to where it ended when the
// export began. Topics hold what the tables hold and are gone sooner; of messages,
// suppressions and statistics they hold revisions, of which the last one of a key
// counts.
type topicSource struct {
	cfg   *Config
	st    *state
	table table
	topic string
	codec *goavro.Codec
	ocf   *goavro.OCFWriter
}

// blockRecords is how many records a block of the file has: each is compressed by
// itself and read whole.
const blockRecords = 1000

func (s *topicSource) open(ctx context.Context) (total int64, err error) {
	if s.table, err = tableOf(s.cfg.Table); err != nil {
		return 0, backoff.Permanent(err)
	}
	s.topic = s.cfg.Generation.Topic(s.table.topic)
	if s.codec, err = goavro.NewCodec(s.table.record().AvroSchema()); err != nil {
		return 0, backoff.Permanent(fmt.Errorf("reading the schema: %w", err))
	}
	adm, closeAdmin, err := kafka.NewAdmin(s.cfg.Kafka)
	if err != nil {
		return 0, backoff.Permanent(err)
	}
	defer closeAdmin()
	start, end, err := kafka.Bounds(ctx, adm, s.topic)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return 0, backoff.Permanent(fmt.Errorf("%w: run posthorn topics create", err))
	}
	if err != nil {
		return 0, err
	}
	c := &s.st.Cursor
	if c.Ends == nil {
		c.Next, c.Ends = start, end
	} else if err := s.kept(start); err != nil {
		return 0, backoff.Permanent(err)
	}
	left := kafka.Offsets(c.Ends).Sum() - kafka.Offsets(c.Next).Sum()
	return s.st.Passed + left, nil
}

// kept tells whether what is still to be read is still there. Compaction alone moves
// no start.
func (s *topicSource) kept(start kafka.Offsets) error {
	c := s.st.Cursor
	for p, next := range c.Next {
		if next < start[p] && next < c.Ends[p] {
			return fmt.Errorf("%s partition %d begins at offset %d now, and the export was at %d: what lay between was deleted; --resume=false begins again", s.topic, p, start[p], next)
		}
	}
	return nil
}

// begin writes the head of the file, or reads it.
func (s *topicSource) begin(out *chunkFile, fresh bool) error {
	if !fresh {
		if _, err := out.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("reading the head of the file: %w", err)
		}
	}
	var err error
	s.ocf, err = goavro.NewOCFWriter(goavro.OCFConfig{W: out.File, Codec: s.codec, CompressionName: goavro.CompressionDeflateLabel})
	if err != nil {
		return cannotWrite(err)
	}
	return nil
}

// chunk writes the records of the next offsets of the first partition that is not at
// its end.
func (s *topicSource) chunk(ctx context.Context, out *chunkFile, at cursor) (step, error) {
	for _, p := range slices.Sorted(maps.Keys(at.Ends)) {
		from := at.Next[p]
		if from >= at.Ends[p] {
			continue
		}
		to := min(from+s.cfg.ChunkRows, at.Ends[p])
		rows, err := s.write(ctx, out, p, from, to)
		next := cursor{Next: maps.Clone(at.Next), Ends: at.Ends}
		next.Next[p] = to
		return step{next: next, rows: rows, passed: to - from}, err
	}
	return step{next: at, done: true}, nil
}

func (s *topicSource) write(ctx context.Context, out *chunkFile, p int32, from, to int64) (rows int64, err error) {
	var block []any
	flush := func() error {
		if len(block) == 0 {
			return nil
		}
		rows += int64(len(block))
		if err := s.ocf.Append(block); err != nil {
			out.failed = cannotWrite(err)
			return out.failed
		}
		block = block[:0]
		return nil
	}
	_, err = kafka.ReadSpan(ctx, s.cfg.Kafka, s.topic, kafka.Offsets{p: from}, kafka.Offsets{p: to}, func(rec *kgo.Record) error {
		// What is not there any more, and what stages say to each other.
		if len(rec.Value) == 0 || stream.IsMarker(rec) {
			return nil
		}
		native, err := s.native(rec)
		if err != nil || native == nil {
			return err
		}
		if block = append(block, native); len(block) == blockRecords {
			return flush()
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return rows, flush()
}

// native decodes a record into the form that goavro takes; nil where it is not
// wanted. Records of earlier schemas get that of today.
func (s *topicSource) native(rec *kgo.Record) (any, error) {
	value := s.table.record()
	if err := s.cfg.Serde.Decode(rec.Value, value); err != nil {
		if schemas.IsUnavailable(err) {
			return nil, err
		}
		return nil, backoff.Permanent(fmt.Errorf("decoding %s partition %d offset %d: %w", rec.Topic, rec.Partition, rec.Offset, err))
	}
	f := s.table.facts(value)
	switch at := f.at.Time(); {
	case s.cfg.Tenant != "" && f.tenant != s.cfg.Tenant,
		s.cfg.Campaign != "" && f.campaign != s.cfg.Campaign,
		!s.cfg.Since.IsZero() && at.Before(s.cfg.Since), !at.Before(s.cfg.Until):
		return nil, nil
	}
	native, rest, err := s.codec.NativeFromBinary(value.AppendAvro(nil))
	if err == nil && len(rest) > 0 {
		err = errors.New("bytes are left over")
	}
	if err != nil {
		return nil, backoff.Permanent(fmt.Errorf("converting %s partition %d offset %d: %w", rec.Topic, rec.Partition, rec.Offset, err))
	}
	return native, nil
}
