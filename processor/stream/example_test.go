package stream_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/stream/streamtest"
)

// wordCount counts words. It reads and writes its store once per word and
// transaction, however often the word comes.
type wordCount struct {
	added map[string]int
}

func (c *wordCount) Process(_ stream.Context, rec *kgo.Record) error {
	c.added[string(rec.Key)]++
	return nil
}

func (c *wordCount) Timer(stream.Context, []byte, time.Time) error { return nil }

func (c *wordCount) Flush(ctx stream.Context) error {
	counts := ctx.Store("counts")
	for _, word := range slices.Sorted(maps.Keys(c.added)) {
		n := c.added[word]
		before, err := counts.Get([]byte(word))
		if err != nil {
			return err
		}
		if before != nil {
			old, err := strconv.Atoi(string(before))
			if err != nil {
				return err
			}
			n += old
		}
		value := strconv.AppendInt(nil, int64(n), 10)
		counts.Put([]byte(word), value)
		ctx.Produce(&kgo.Record{Topic: "totals", Key: []byte(word), Value: value})
	}
	clear(c.added)
	return nil
}

// A stage that counts, and a test of it without Kafka.
func Example() {
	stage := stream.Stage{
		Name: "wordcount", Input: "words", Root: true, Stores: []string{"counts"},
		NewTask: func(int32) (stream.Task, error) { return &wordCount{added: map[string]int{}}, nil },
	}
	d, err := streamtest.New(stage, 0)
	if err != nil {
		panic(err)
	}
	say := func(words ...string) {
		for _, w := range words {
			if err := d.Process(&kgo.Record{Key: []byte(w)}); err != nil {
				panic(err)
			}
		}
	}
	say("post", "horn", "post")
	fmt.Println(d.Commit())
	say("lost")
	fmt.Println(d.Abort()) // nothing of it stays
	say("post")
	fmt.Println(d.Commit())
	for _, rec := range d.Take("totals") {
		fmt.Printf("%s %s\n", rec.Key, rec.Value)
	}
	fmt.Printf("%q\n", d.State("counts"))
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// horn 1
	// post 2
	// post 3
	// map["horn":"1" "post":"3"]
}

// order is what is known of one; times are zero until heard of.
type order struct {
	Placed, Paid time.Time
	PaidArrived  time.Time
}

const (
	payWithin = time.Hour
	payWait   = 5 * time.Minute // for payments that are told late
)

// unpaid tells of orders that were placed and not paid within an hour.
type unpaid struct{}

func (unpaid) Process(ctx stream.Context, rec *kgo.Record) error {
	var told struct {
		What string
		At   time.Time
	}
	if err := json.Unmarshal(rec.Value, &told); err != nil {
		return stream.Permanent(fmt.Errorf("decoding order: %w", err))
	}
	// This stage is the first of its chain, so the record's time is when it
	// arrived.
	arrived := rec.Timestamp
	if told.At.After(arrived) {
		told.At = arrived
	}
	o, err := readOrder(ctx, rec.Key)
	if err != nil {
		return err
	}
	switch {
	case told.What == "paid" && (o.Paid.IsZero() || told.At.Before(o.Paid)):
		o.Paid, o.PaidArrived = told.At, arrived
	case told.What == "placed":
		o.Placed = told.At
	}
	// A payment may be told before its order, and sets a timer as well, so that
	// nothing is kept for ever; the order moves it.
	if told.What == "placed" || o.Placed.IsZero() {
		due := told.At.Add(payWithin)
		if due.Before(arrived) {
			due = arrived
		}
		ctx.SetTimer(rec.Key, due.Add(payWait))
	}
	value, err := json.Marshal(o)
	if err != nil {
		return err
	}
	ctx.Store("orders").Put(rec.Key, value)
	return nil
}

// Timer decides from times in the data alone. A payment that arrived too late
// may have been processed already, or not: it does not count.
func (unpaid) Timer(ctx stream.Context, key []byte, due time.Time) error {
	o, err := readOrder(ctx, key)
	if err != nil {
		return err
	}
	ctx.Store("orders").Delete(key)
	paid := !o.Paid.IsZero() && !o.Paid.After(o.Placed.Add(payWithin)) && o.PaidArrived.Before(due)
	if !o.Placed.IsZero() && !paid {
		ctx.Produce(&kgo.Record{Topic: "reminders", Key: key, Value: []byte("not paid")})
	}
	return nil
}

func (unpaid) Flush(stream.Context) error { return nil }

func readOrder(ctx stream.Context, key []byte) (o order, err error) {
	value, err := ctx.Store("orders").Get(key)
	if err != nil || value == nil {
		return o, err
	}
	return o, json.Unmarshal(value, &o)
}

// Absence: a durable timer on the arrival frontier tells that something did not
// happen. It fires without a further record, and not while records that may
// still tell otherwise are on their way.
func ExampleContext_absence() {
	stage := stream.Stage{
		Name: "unpaid", Input: "orders", Root: true, Stores: []string{"orders"}, DeadLetter: "dead",
		NewTask: func(int32) (stream.Task, error) { return unpaid{}, nil },
	}
	d, err := streamtest.New(stage, 0)
	if err != nil {
		panic(err)
	}
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tell := func(key, what string, after, arrived time.Duration) {
		value := fmt.Appendf(nil, `{"What": %q, "At": %q}`, what, noon.Add(after).Format(time.RFC3339))
		err := d.Process(&kgo.Record{Key: []byte(key), Value: value, Timestamp: noon.Add(arrived)})
		if err != nil {
			panic(err)
		}
	}
	tell("A", "placed", 0, 0)
	tell("B", "placed", 0, 0)
	tell("C", "placed", 0, 0)
	tell("A", "paid", 59*time.Minute, 64*time.Minute) // in time, told late
	tell("C", "paid", 61*time.Minute, 61*time.Minute) // too late
	err = errors.Join(
		d.Advance(noon.Add(64*time.Minute)), // the stage before stands still: so does time
		d.Advance(noon.Add(65*time.Minute)),
	)
	fmt.Println(err)
	for _, rec := range d.Take("reminders") {
		fmt.Printf("%s %s\n", rec.Key, rec.Value)
	}
	fmt.Println(len(d.State("orders")), "orders kept")
	// Output:
	// <nil>
	// B not paid
	// C not paid
	// 0 orders kept
}

// The topics that a stage needs, as its operator has to create them.
func ExampleStage_Topics() {
	stage := stream.Stage{Name: "unpaid", Input: "orders", Root: true, Stores: []string{"orders"}, DeadLetter: "dead"}
	for _, t := range stage.Topics(12) {
		fmt.Println(t.Name, t.Partitions, t.Config)
	}
	// Output:
	// orders 12 map[message.timestamp.type:LogAppendTime]
	// dead 0 map[]
	// posthorn.unpaid-engine-changelog 12 map[cleanup.policy:compact delete.retention.ms:604800000]
	// posthorn.unpaid-orders-changelog 12 map[cleanup.policy:compact delete.retention.ms:604800000]
}
