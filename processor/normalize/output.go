package normalize

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// output produces what one webhook gives. The values of a webhook share a
// buffer: one allocation for many records.
type output struct {
	task *task
	ctx  stream.Context
	hook *schemas.Webhook
	at   place
	// version is the decoder's.
	version int32

	buf     []byte
	records []kgo.Record
}

// chunk is how much of the buffer is made at once at most, in bytes.
const chunk = 32 << 10

func (o *output) event(ev *schemas.Event) {
	if free := cap(o.buf) - len(o.buf); free < 1<<10 {
		o.buf = make([]byte, 0, min(chunk, len(o.hook.Body)+1<<10))
	}
	start := len(o.buf)
	o.buf = o.task.cfg.Serde.Append(o.buf, schemas.TopicEventsByRecipient, ev)
	value := o.buf[start:len(o.buf):len(o.buf)]
	start = len(o.buf)
	o.buf = append(o.buf, ev.RecipientID[:]...)
	rec := o.record()
	rec.Topic, rec.Key, rec.Value = o.task.events, o.buf[start:len(o.buf):len(o.buf)], value
	o.ctx.Produce(rec)
}

// record returns an empty record.
func (o *output) record() *kgo.Record {
	if len(o.records) == cap(o.records) {
		o.records = make([]kgo.Record, 0, min(max(1, 2*cap(o.records)), 64))
	}
	o.records = o.records[:len(o.records)+1]
	return &o.records[len(o.records)-1]
}

func (o *output) reject(index int, err error) {
	refused := &provider.Error{Reason: provider.ReasonNotAnEvent, Detail: err.Error()}
	errors.As(err, &refused)
	rejection := schemas.Rejection{
		WebhookID: o.hook.ID, Tenant: o.hook.Tenant, Account: o.hook.Account, Source: o.hook.Source, Provider: o.hook.Provider,
		Partition: o.at.partition, Offset: o.at.offset, Index: int32(index),
		Reason: refused.Reason, Field: refused.Field, Detail: refused.Detail,
		ReceivedAt: o.hook.ReceivedAt, ArrivedAt: o.at.arrivedAt, MapperVersion: o.version,
	}
	o.ctx.Produce(&kgo.Record{
		Topic: o.task.rejected,
		Key:   o.hook.ID[:],
		Value: o.task.cfg.Serde.Append(nil, schemas.TopicRejected, &rejection),
	})
}
