package analytics

import (
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/internal/simulate"
	"github.com/posthorn/posthorn/processor/normalize/client"
	"github.com/posthorn/posthorn/schemas"
)

// world makes events as normalize derives them from Mailjet's webhooks: bodies of
// 1 to 150 events, ids, user agents, links and custom ids as Mailjet has them, in
// the order and at the times at which they arrive. Cities, which Mailjet does not
// tell, are those of a database by address.
type world struct {
	generator *simulate.Generator
	mailjet   provider.Provider
	rng       *rand.Rand
	clients   *client.Cache
	seen      map[schemas.ID]bool
	received  schemas.Timestamp
	body      []byte
	offset    int64
	waiting   []*schemas.Event
}

func newWorld(tb testing.TB, events int) *world {
	tb.Helper()
	cfg := simulate.DefaultConfig(time.Now().Truncate(time.Hour))
	cfg.Campaigns, cfg.Malformed = 20, 0
	cfg.Recipients = simulate.RecipientsFor(events*11/10, cfg.Campaigns)
	g, err := simulate.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	mailjet, ok := provider.ByName("mailjet")
	if !ok {
		tb.Fatal("no decoder of Mailjet")
	}
	return &world{generator: g, mailjet: mailjet, rng: rand.New(rand.NewPCG(1, 2)), clients: client.NewCache(), seen: map[schemas.ID]bool{}}
}

// next returns the next event, nil at the end.
func (w *world) next() *schemas.Event {
	for len(w.waiting) == 0 {
		b, ok := w.generator.Next(w.body[:0])
		if !ok {
			return nil
		}
		w.body = b.Data
		w.decode(slices.Clone(b.Data))
	}
	e := w.waiting[0]
	w.waiting = w.waiting[1:]
	return e
}

func (w *world) decode(body []byte) {
	hook := &schemas.Webhook{Tenant: "default", Account: "shop", Source: "mailjet", Provider: "mailjet", Body: body,
		ReceivedAt: schemas.FromTime(time.Now().Add(time.Minute))}
	var id schemas.ID
	for i := range id {
		id[i] = byte(w.rng.Uint32())
	}
	w.offset++
	newest := w.received
	w.mailjet.Decode(hook, func(index int, e *schemas.Event, err error) {
		if err != nil || w.seen[e.EventID] {
			return
		}
		c := *e
		w.seen[c.EventID] = true
		c.RawRef = schemas.RawRef{WebhookID: id, Index: int32(index), Partition: int32(w.offset % 12), Offset: w.offset / 12}
		w.derive(&c)
		newest = max(newest, c.OccurredAt)
		w.waiting = append(w.waiting, &c)
	})
	// Bodies come in their order, each a little after its newest event.
	w.received = newest + schemas.Timestamp(1_000+w.rng.IntN(200_000))
	arrived := (w.received + schemas.Timestamp(w.rng.IntN(20_000))) / 1000 * 1000 // Kafka's milliseconds
	for _, e := range w.waiting {
		e.ReceivedAt, e.ArrivedAt = w.received, arrived
	}
}

// derive adds what normalize does.
func (w *world) derive(e *schemas.Event) {
	sum := sha256.Sum256([]byte("secret" + strings.ToLower(e.Recipient)))
	copy(e.RecipientID[:], sum[:])
	_, e.RecipientDomain, _ = strings.Cut(strings.ToLower(e.Recipient), "@")
	e.MapperVersion = 3
	if e.UserAgent == "" {
		return
	}
	c := w.clients.Parse(e.UserAgent)
	e.ClientName, e.ClientOS, e.DeviceType = c.Name, c.OS, c.Device
	h := fnv.New32a()
	_, _ = h.Write([]byte(e.IP))
	e.City = fmt.Sprintf("%s city %d", e.Country, h.Sum32()%400)
	e.Region = fmt.Sprintf("%s-%d", e.Country, h.Sum32()%20)
}

// storageEvents is how many events the table is measured with.
const storageEvents = 2_000_000

// storageBatch is what a sink inserts at once at ten thousand events a second.
const storageBatch = 30_000

// BenchmarkStoragePerEvent measures what an event takes on disk in the main table
// once its parts are merged: go test ./analytics -run '^$' -bench StoragePerEvent
// -benchtime 1x. POSTHORN_STORAGE_EVENTS asks for another number of events.
func BenchmarkStoragePerEvent(b *testing.B) {
	want := storageEvents
	if text := os.Getenv("POSTHORN_STORAGE_EVENTS"); text != "" {
		if _, err := fmt.Sscan(text, &want); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		conn, w := migrated(b), newWorld(b, want)
		events := fillStorage(b, conn, w, want)
		if err := conn.Exec(b.Context(), "OPTIMIZE TABLE events FINAL"); err != nil {
			b.Fatal(err)
		}
		reportStorage(b, conn, float64(events))
	}
}

func fillStorage(b *testing.B, conn driver.Conn, w *world, want int) (events int) {
	b.Helper()
	const partitions = 12
	var offsets [partitions]int64
	rows := eventRows("events")
	for done := false; !done; {
		rows.reset()
		batch := [partitions][]*kgo.Record{}
		n := 0
		for ; n < storageBatch && events < want; n++ {
			e := w.next()
			if e == nil {
				break
			}
			events++
			p := int32(e.RecipientID[0]) % partitions
			batch[p] = append(batch[p], &kgo.Record{Partition: p, Offset: offsets[p], Value: serde.Append(nil, schemas.TopicEvents, e)})
			offsets[p]++
		}
		done = n < storageBatch
		for _, recs := range batch {
			for _, rec := range recs {
				if err := rows.add(serde, rec); err != nil {
					b.Fatal(err)
				}
			}
		}
		ctx := clickhouse.Context(b.Context(), clickhouse.WithSettings(insertSettings(fmt.Sprint(events))))
		if n > 0 {
			if err := rows.blocks()[0].insert(ctx, conn); err != nil {
				b.Fatal(err)
			}
		}
	}
	return events
}

// reportStorage prints what the columns take, and the sum of ids and of the rest,
// with indices, marks and primary key.
func reportStorage(b *testing.B, conn driver.Conn, events float64) {
	b.Helper()
	var total uint64
	err := conn.QueryRow(b.Context(), `SELECT sum(bytes_on_disk) FROM system.parts WHERE database = currentDatabase() AND table = 'events' AND active`).Scan(&total)
	if err != nil {
		b.Fatal(err)
	}
	rows, err := conn.Query(b.Context(), `SELECT column, sum(column_data_compressed_bytes + column_marks_bytes) AS n, sum(column_data_uncompressed_bytes)
		FROM system.parts_columns WHERE database = currentDatabase() AND table = 'events' AND active GROUP BY column ORDER BY n DESC, column`)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	ids, columns := 0.0, 0.0
	for rows.Next() {
		var column string
		var compressed, raw uint64
		if err := rows.Scan(&column, &compressed, &raw); err != nil {
			b.Fatal(err)
		}
		each := float64(compressed) / events
		columns += each
		if column == "event_id" || column == "recipient_id" {
			ids += each
		}
		fmt.Printf("%-20s %7.3f bytes an event, %8.3f raw\n", column, each, float64(raw)/events)
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	all := float64(total) / events
	fmt.Printf("%-20s %7.3f bytes an event\n", "indices and the like", all-columns)
	fmt.Printf("RESULT storage_per_event %.2f bytes events=%.0f ids=%.2f rest=%.2f\n", all, events, ids, all-ids)
}
