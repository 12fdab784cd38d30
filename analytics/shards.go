package analytics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// replica is a server of a cluster, as system.clusters has it.
type replica struct {
	shard uint32
	host  string
	port  uint16
}

// OpenShards connects to every shard of a cluster, each connection to that
// shard's replicas and no others: a lane writes into one shard, and a repeated
// insert is recognised by the replicas of the shard that has it. Without a
// cluster it returns none.
func (l Layout) OpenShards(ctx context.Context, dsn string) (shards []driver.Conn, err error) {
	if l.Cluster == "" {
		return nil, nil
	}
	conn, err := l.Open(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	list, err := l.replicas(ctx, conn)
	if err != nil {
		return nil, err
	}
	opt, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("parsing ClickHouse DSN: %w", err)
	}
	options, err := shardOptions(opt, list)
	if err != nil {
		return nil, err
	}
	for _, o := range options {
		c, err := clickhouse.Open(o)
		if err != nil {
			return nil, fmt.Errorf("opening shard: %w", err)
		}
		shards = append(shards, c)
	}
	return shards, nil
}

func (l Layout) replicas(ctx context.Context, conn driver.Conn) (list []replica, err error) {
	rows, err := conn.Query(ctx, `SELECT shard_num, host_name, port FROM system.clusters WHERE cluster = ? ORDER BY shard_num, replica_num`, l.Cluster)
	if err != nil {
		return nil, fmt.Errorf("listing the servers of the cluster: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var r replica
		if err := rows.Scan(&r.shard, &r.host, &r.port); err != nil {
			return nil, fmt.Errorf("listing the servers of the cluster: %w", err)
		}
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("listing the servers of the cluster: %w", err)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("clickhouse.cluster: the server knows no cluster %s: name one of SELECT cluster FROM system.clusters", l.Cluster)
	}
	return list, nil
}

// shardOptions are the options of a connection to each shard, in their order.
// The servers are known by their native ports.
func shardOptions(opt *clickhouse.Options, list []replica) ([]*clickhouse.Options, error) {
	if opt.Protocol != clickhouse.Native {
		return nil, errors.New("clickhouse.dsn: a cluster is written to by the native protocol: use clickhouse://")
	}
	var out []*clickhouse.Options
	last := uint32(0)
	for _, r := range list {
		if r.shard != last {
			shard := *opt
			shard.Addr, shard.ConnOpenStrategy = nil, clickhouse.ConnOpenInOrder
			configure(&shard)
			out, last = append(out, &shard), r.shard
		}
		shard := out[len(out)-1]
		shard.Addr = append(shard.Addr, net.JoinHostPort(r.host, strconv.Itoa(int(r.port))))
	}
	return out, nil
}

// shardOf is where a lane writes. As many lanes as shards, and their number is
// in the ledger: a key stays in its partition, a partition in its lane and a lane
// in its shard, so that the versions of a row meet.
func shardOf(lane, shards int) int { return lane % shards }
