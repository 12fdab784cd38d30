package analytics

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/internal/kafka"
)

// What the comparison of TestSinkFaults is worth: each row too much, missing or
// changed is seen, and nothing is where nothing is wrong.
func TestFaultComparisonSeesEachDifference(t *testing.T) {
	kcfg, conn := cluster(t, faultPartitions), migrated(t)
	load, err := newFaultLoad(kcfg, 1, faultPartitions)
	if err != nil {
		t.Fatal(err)
	}
	defer load.client.Close()
	for n := range 9 {
		if err := load.transaction(t.Context(), n != 4); err != nil {
			t.Fatal(err)
		}
	}
	r := &faultRun{t: t, kafka: kcfg, engine: &faultEngine{}}
	_, stop := running(t, SinkConfig{Kafka: kcfg, Conn: conn, Lanes: faultLanes})
	if err := r.drained(); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	compared := func(table string) int {
		for _, c := range newTallies() {
			if c.table != table {
				continue
			}
			if err := c.read(t.Context(), kcfg); err != nil {
				t.Fatal(err)
			}
			found, err := c.compare(t.Context(), conn)
			if err != nil {
				t.Fatal(err)
			}
			return len(found)
		}
		t.Fatalf("table %s is not compared", table)
		return 0
	}
	for _, target := range tables(1) {
		for _, table := range target.names {
			if n := compared(table); n != 0 {
				t.Errorf("%s: %d differences where there are none", table, n)
			}
		}
	}
	for _, tt := range []struct{ table, harm string }{
		{"events", "INSERT INTO events SELECT * FROM events LIMIT 1"},
		{"triggers", "ALTER TABLE triggers DELETE WHERE trigger_id = (SELECT min(trigger_id) FROM triggers)"},
		{"deliveries", "ALTER TABLE deliveries UPDATE duration_ms = duration_ms + 1 WHERE trigger_id = (SELECT min(trigger_id) FROM deliveries)"},
		{"rejections", "INSERT INTO rejections SELECT * REPLACE (generateUUIDv4() AS webhook_id) FROM rejections LIMIT 1"},
		{"messages", "INSERT INTO messages SELECT * REPLACE (revision + 1 AS revision, opens + 1 AS opens) FROM messages FINAL LIMIT 1"},
		{"campaign_statistics", "INSERT INTO campaign_statistics SELECT * REPLACE (version + 1 AS version, clicks - 1 AS clicks) FROM campaign_statistics FINAL LIMIT 1"},
		{"suppressions", "ALTER TABLE suppressions DELETE WHERE recipient_id = (SELECT min(recipient_id) FROM suppressions)"},
		{"breakdowns", "INSERT INTO breakdowns SELECT * FROM breakdowns WHERE messages != 0 LIMIT 1"},
		{"recipients", "INSERT INTO recipients SELECT * FROM recipients WHERE messages != 0 LIMIT 1"},
	} {
		if err := conn.Exec(t.Context(), tt.harm+" SETTINGS mutations_sync = 2"); err != nil {
			t.Fatalf("%s: %v", tt.harm, err)
		}
		if n := compared(tt.table); n != 1 {
			t.Errorf("%s: %d differences after %s, want 1", tt.table, n, tt.harm)
		}
	}
}

// A sink that is told to stop does not wait for a group that waits for others.
func TestStopsWhileItsGroupIsInMotion(t *testing.T) {
	c := kafkaOf(t, 1)
	kcfg, conn := kafka.Config{Brokers: c.ListenAddrs()}, migrated(t)
	joining, done := make(chan struct{}, 1), make(chan struct{})
	defer close(done)
	c.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		c.SleepControl(func() {
			select {
			case joining <- struct{}{}:
			default:
			}
			<-done // the other members do not join
		})
		return nil, nil, false
	})
	produce(t, producer(t, kcfg), []*kgo.Record{eventRecord(0, 1)}...)
	_, stop := running(t, SinkConfig{Kafka: kcfg, Conn: conn, Topics: eventsOnly})
	<-joining
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	eventually(t, func() string {
		select {
		case err := <-stopped:
			if err != nil {
				t.Error(err)
			}
			return ""
		default:
			return "it does not stop"
		}
	})
}
