package main

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// storage is what tables take on disk.
type storage struct {
	Events float64
	Tables []tableSize
	// Columns are those of the table of events, with the largest first.
	Columns  []columnSize
	IDs      float64 // bytes an event: event_id and recipient_id
	Rest     float64 // all other bytes of the table an event
	Total    float64
	MaxParts uint64
}

type tableSize struct {
	Name        string
	Rows, Parts uint64
	Bytes       float64
}

type columnSize struct {
	Name, Codec string
	PerEvent    float64
}

// measureStorage reads sizes as they are on disk, marks and indexes included.
func measureStorage(ctx context.Context, conn driver.Conn) (*storage, error) {
	s := &storage{}
	rows, err := conn.Query(ctx, `SELECT table, sum(rows) AS n, count(), toFloat64(sum(bytes_on_disk)) AS size FROM system.parts
WHERE active AND database = currentDatabase() GROUP BY table HAVING n > 0 ORDER BY size DESC`)
	if err != nil {
		return nil, fmt.Errorf("reading sizes of tables: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var t tableSize
		if err := rows.Scan(&t.Name, &t.Rows, &t.Parts, &t.Bytes); err != nil {
			return nil, fmt.Errorf("reading sizes of tables: %w", err)
		}
		s.Tables = append(s.Tables, t)
		s.MaxParts = max(s.MaxParts, t.Parts)
		if t.Name == "events" {
			s.Events, s.Total = float64(t.Rows), t.Bytes/float64(t.Rows)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading sizes of tables: %w", err)
	}
	return s, s.columns(ctx, conn)
}

func (s *storage) columns(ctx context.Context, conn driver.Conn) error {
	// Small parts hold all columns in one file and do not tell what each takes:
	// an event counts as those in the others.
	rows, err := conn.Query(ctx, `SELECT c.name, c.compression_codec, p.size FROM system.columns AS c
INNER JOIN (
	SELECT column, sum(column_data_compressed_bytes + column_marks_bytes) / sum(rows) AS size FROM system.parts_columns
	WHERE active AND part_type = 'Wide' AND database = currentDatabase() AND table = 'events' GROUP BY column
) AS p ON p.column = c.name
WHERE c.database = currentDatabase() AND c.table = 'events' ORDER BY p.size DESC`)
	if err != nil {
		return fmt.Errorf("reading sizes of columns: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var c columnSize
		if err := rows.Scan(&c.Name, &c.Codec, &c.PerEvent); err != nil {
			return fmt.Errorf("reading sizes of columns: %w", err)
		}
		s.Columns = append(s.Columns, c)
		if c.Name == "event_id" || c.Name == "recipient_id" {
			s.IDs += c.PerEvent
		}
	}
	s.Rest = s.Total - s.IDs
	return rows.Err()
}
