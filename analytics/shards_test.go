package analytics

import (
	"fmt"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// A connection to a shard knows no server of another one.
func TestShardOptions(t *testing.T) {
	opt, err := clickhouse.ParseDSN("clickhouse://writer:secret@any:9000/posthorn?max_execution_time=60")
	if err != nil {
		t.Fatal(err)
	}
	shards, err := shardOptions(opt, []replica{{1, "a1", 9000}, {1, "a2", 9000}, {2, "b1", 9440}, {3, "::1", 9000}})
	if err != nil {
		t.Fatal(err)
	}
	if len(shards) != 3 {
		t.Fatalf("%d shards", len(shards))
	}
	for i, want := range []string{"[a1:9000 a2:9000]", "[b1:9440]", "[[::1]:9000]"} {
		s := shards[i]
		if got := fmt.Sprint(s.Addr); got != want || s.Auth != opt.Auth || s.Settings["max_execution_time"] != opt.Settings["max_execution_time"] {
			t.Errorf("shard %d: %s, want %s; %+v", i+1, got, want, s.Auth)
		}
	}
	if fmt.Sprint(opt.Addr) != "[any:9000]" {
		t.Errorf("the DSN's own options were changed: %v", opt.Addr)
	}
	opt.Protocol = clickhouse.HTTP
	if _, err := shardOptions(opt, []replica{{1, "a1", 9000}}); err == nil {
		t.Error("a cluster over HTTP is taken")
	}
}

type namedConn struct {
	driver.Conn
	name string
}

// Lane n of every topic writes into shard n, and no number of lanes but that of
// shards is taken: a key's rows stay in one shard.
func TestLanesChooseShards(t *testing.T) {
	shards := []driver.Conn{namedConn{name: "1"}, namedConn{name: "2"}, namedConn{name: "3"}}
	s, err := NewSink(SinkConfig{Serde: serde, Conn: namedConn{name: "any"}, Shards: shards})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.lanes) != 3*len(SinkTopics()) {
		t.Errorf("%d lanes for %d topics", len(s.lanes), len(SinkTopics()))
	}
	for _, l := range s.lanes {
		if got := l.conn.(namedConn).name; got != fmt.Sprint(l.number+1) {
			t.Errorf("lane %d of %s writes into shard %s", l.number, l.target.topic, got)
		}
	}
	if _, err := NewSink(SinkConfig{Serde: serde, Conn: shards[0], Shards: shards, Lanes: 6}); err == nil {
		t.Error("6 lanes for 3 shards are taken")
	}
	s, err = NewSink(SinkConfig{Serde: serde, Conn: namedConn{name: "any"}, Lanes: 2})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.lanes[1].conn.(namedConn).name; got != "any" {
		t.Errorf("on a single node lane 1 writes to %s", got)
	}
}
