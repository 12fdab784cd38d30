package engagement

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// memory is a stream.Context that keeps state in maps and drops the output.
type memory struct {
	stores   map[string]memoryStore
	records  int
	bytes    int
	frontier time.Time
}

type memoryStore map[string][]byte

func (m *memory) Partition() int32                   { return 0 }
func (m *memory) Store(name string) stream.Store     { return m.stores[name] }
func (m *memory) Produce(r *kgo.Record)              { m.records++; m.bytes += len(r.Value) }
func (m *memory) ProduceTo(r *kgo.Record, _ int32)   { m.Produce(r) }
func (m *memory) Frontier() time.Time                { return m.frontier }
func (m *memory) SetTimer([]byte, time.Time)         {}
func (m *memory) DeleteTimer([]byte)                 {}
func (m *memory) GetTimer([]byte) (time.Time, error) { return time.Time{}, nil }
func (m *memory) Late(int)                           {}
func (m *memory) AfterCommit(func())                 {}
func (s memoryStore) Get(k []byte) ([]byte, error)   { return s[string(k)], nil }
func (s memoryStore) Put(k, v []byte)                { s[string(k)] = v }
func (s memoryStore) Delete(k []byte)                { delete(s, string(k)) }
func (s memoryStore) Scan(_, _ []byte, _ func(k, v []byte) bool) error {
	return nil
}

// benchEvents are deliveries of n messages, followed by opens of a third and
// clicks of a tenth of them.
func benchEvents(n int) []*kgo.Record {
	var records []*kgo.Record
	add := func(i int, t schemas.EventType, after time.Duration) {
		e := schemas.Event{
			Tenant: "default", Account: "main", Source: "main", Provider: "mailjet", Type: t, ProviderType: t.String(),
			OccurredAt: at(after + time.Duration(i)*time.Millisecond), OccurredPrecisionMS: 1000,
			MessageID: fmt.Sprintf("%d", 104427216766056450+i), MessageUUID: fmt.Sprintf("9a3c1f0e-0000-4000-8000-%012d", i),
			Recipient: fmt.Sprintf("user%d@example.org", i), RecipientDomain: "example.org", CampaignID: "7421", CampaignName: "spring-sale",
			ContactID: fmt.Sprintf("%d", 100000+i), CustomID: fmt.Sprintf("order-%d", i), Machine: schemas.MachineHuman,
		}
		if t != schemas.EventTypeDelivered {
			e.IP, e.UserAgent, e.Country = "203.0.113.7", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36", "FR"
			e.ClientName, e.ClientOS, e.DeviceType = "Chrome", "Windows", "desktop"
		}
		if t == schemas.EventTypeClicked {
			e.URL, e.LinkIndex = "https://shop.example/sale?utm_campaign=spring", 2
		}
		e.ReceivedAt, e.ArrivedAt = e.OccurredAt+500_000, e.OccurredAt+600_000
		binary.BigEndian.PutUint64(e.EventID[:], uint64(len(records)+1)*0x9e3779b97f4a7c15)
		binary.BigEndian.PutUint64(e.RecipientID[:], uint64(i+1)*0x9e3779b97f4a7c15)
		records = append(records, record(&e))
	}
	for i := range n {
		add(i, delivered, 0)
	}
	for i := 0; i < n; i += 3 {
		add(i, opened, time.Hour)
	}
	for i := 0; i < n; i += 10 {
		add(i, clicked, 2*time.Hour)
	}
	return records
}

// mixEvents are the same as of a day's traffic: of 30 campaigns, sent over 20 days
// to 300 domains, with what people use to read them, in the order of no message.
func mixEvents(n int) []*kgo.Record {
	var records []*kgo.Record
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[min(len(of)-1, int(rnd.ExpFloat64()))] }
	for _, rec := range benchEvents(n) {
		var e schemas.Event
		if err := serde.Decode(rec.Value, &e); err != nil {
			panic(err)
		}
		i, _ := strconv.Atoi(e.MessageID[len(e.MessageID)-6:])
		domain := fmt.Sprintf("domain-%d.example", i%17*(i%19))
		e.Recipient, e.RecipientDomain = fmt.Sprintf("user%d@%s", i, domain), domain
		e.CampaignID = fmt.Sprint(7400 + i%30)
		sent := schemas.Timestamp(i%20) * dayLength
		e.OccurredAt, e.ReceivedAt, e.ArrivedAt = e.OccurredAt+sent, e.ReceivedAt+sent, e.ArrivedAt+sent
		if e.Type != delivered {
			e.Country = pick("FR", "DE", "ES", "IT", "GB", "")
			e.ClientName, e.ClientOS, e.DeviceType = pick("Apple Mail", "Gmail image proxy", "Outlook", "Chrome", ""), pick("iOS", "", "Windows", "macOS"), pick("mobile", "webmail", "desktop")
			e.Machine = []schemas.Machine{schemas.MachineMachine, schemas.MachineProxy, schemas.MachineHuman}[i%3]
			// Opens and clicks come whenever people read their mail.
			wait := schemas.Timestamp(rnd.ExpFloat64()*8*3600) * 1_000_000
			e.OccurredAt, e.ReceivedAt, e.ArrivedAt = e.OccurredAt+wait, e.ReceivedAt+wait, e.ArrivedAt+wait
		}
		if e.Type == clicked {
			e.LinkIndex = int32(1 + i%12)
			e.URL = fmt.Sprintf("https://shop.example/p/%d?utm_campaign=%s", e.LinkIndex, e.CampaignID)
		}
		records = append(records, record(&e))
	}
	rnd.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	return records
}

const benchRules = `
rules:
  - name: discount-24h
    within: {event: opened, of: send, duration: 24h}
    when: event.machine != "machine" && message.campaign_id == "7421"
    once_per: recipient
`

// BenchmarkStage is the whole of the stage but its engine, per event, with a
// commit every 2,000 events.
func BenchmarkStage(b *testing.B) {
	for _, bm := range []struct{ name, rules string }{{"no rules", "rules: []"}, {"one rule", benchRules}} {
		b.Run(bm.name, func(b *testing.B) { benchStage(b, bm.rules, benchEvents(20_000)) })
	}
	b.Run("mixed", func(b *testing.B) { benchStage(b, "rules: []", mixEvents(20_000)) })
}

// BenchmarkRules is the same with rules of all kinds that never fire, and one
// that does. A tenth of them names nothing by which it could be told early that
// they don't fire, the rest other campaigns.
func BenchmarkRules(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint(n, " rules"), func(b *testing.B) { benchStage(b, benchRules+idleRules(n), benchEvents(20_000)) })
	}
}

// idleRules are rules that no event of a benchmark satisfies.
func idleRules(n int) string {
	var b strings.Builder
	for i := range n {
		kind := []string{
			"immediate: {event: clicked}",
			"within: {event: opened, of: send, duration: 24h}",
			"absence: {event: opened, of: send, duration: 48h}",
			"sequence: {events: [send, opened, clicked], duration: 72h}",
			"count: {event: opened, times: 3, duration: 1h, per: recipient}",
		}[i/10%5]
		when := fmt.Sprintf(`message.campaign_id == "none-%d" && event.country != "US"`, i)
		if i%10 == 0 {
			when = fmt.Sprintf(`event.url.contains("/none-%d")`, i)
		}
		fmt.Fprintf(&b, "  - {name: idle-%d, %s, when: '%s'}\n", i, kind, when)
	}
	return b.String()
}

func benchStage(b *testing.B, text string, records []*kgo.Record) {
	rules := mustRules(b, text)
	b.ReportAllocs()
	var task stream.Task
	var ctx *memory
	before := cpu(b)
	for i := 0; b.Loop(); i++ {
		if i%len(records) == 0 {
			task = newTask(Config{Serde: serde, Rules: trigger.NewLive(rules)})
			ctx = &memory{stores: map[string]memoryStore{storeMessages: {}, storeRules: {}, storeCounts: {}}}
		}
		if err := task.Process(ctx, records[i%len(records)]); err != nil {
			b.Fatal(err)
		}
		if i%2000 == 1999 {
			if err := task.Flush(ctx); err != nil {
				b.Fatal(err)
			}
		}
	}
	used := float64(cpu(b)-before) / float64(b.N)
	b.ReportMetric(used, "cpu-ns/op")
	b.ReportMetric(1e9/used, "events/cpu-s")
	b.ReportMetric(float64(ctx.bytes)/float64((b.N-1)%len(records)+1), "outB/op")
	size := 0
	for _, v := range ctx.stores[storeMessages] {
		size += len(v)
	}
	b.ReportMetric(float64(size)/float64(max(1, len(ctx.stores[storeMessages]))), "B/state")
}

// BenchmarkDue is an absence that is due and fires, per message.
func BenchmarkDue(b *testing.B) {
	const n = 20_000
	rules := mustRules(b, "rules: [{name: silent, absence: {event: opened, of: send, duration: 48h}, once_per: recipient}]")
	b.ReportAllocs()
	var task stream.Task
	ctx := &memory{}
	var due [][]byte
	for b.Loop() {
		if len(due) == 0 {
			b.StopTimer()
			task, ctx = newTask(Config{Serde: serde, Rules: trigger.NewLive(rules)}), &memory{stores: map[string]memoryStore{storeMessages: {}, storeRules: {}, storeCounts: {}}}
			for _, rec := range benchEvents(n)[:n] {
				if err := task.Process(ctx, rec); err != nil {
					b.Fatal(err)
				}
			}
			if err := task.Flush(ctx); err != nil {
				b.Fatal(err)
			}
			for key := range ctx.stores[storeMessages] {
				due = append(due, []byte(key))
			}
			ctx.frontier, ctx.records = at(50*time.Hour).Time(), 0
			b.StartTimer()
		}
		if err := task.Timer(ctx, due[len(due)-1], time.Time{}); err != nil {
			b.Fatal(err)
		}
		due = due[:len(due)-1]
	}
	if want := n - len(due); ctx.records < want-cacheSize*2 || ctx.records > want {
		b.Errorf("%d triggers of %d messages", ctx.records, want)
	}
}

// cpu is the processor time that the process has used: unlike the wall clock it
// holds on a busy machine.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
