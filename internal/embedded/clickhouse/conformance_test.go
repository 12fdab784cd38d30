package clickhouse_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"github.com/posthorn/posthorn/internal/embedded/clickhouse/clickhousetest"
)

// connect opens clickhouse-go on a database of the test's own.
func connect(t testing.TB, adjust ...func(*driver.Options)) driver.Conn {
	t.Helper()
	options, err := driver.ParseDSN(clickhousetest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range adjust {
		change(options)
	}
	conn, err := driver.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func exec(t testing.TB, conn driver.Conn, sql string, args ...any) {
	t.Helper()
	if err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func count(t testing.TB, conn driver.Conn, sql string, args ...any) uint64 {
	t.Helper()
	var n uint64
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func TestPingAndVersion(t *testing.T) {
	conn := connect(t)
	if err := conn.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	version, err := conn.ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if want := clickhousetest.Start(t).Version(); !strings.HasPrefix(want, fmt.Sprintf("%d.%d.", version.Version.Major, version.Version.Minor)) {
		t.Errorf("the driver sees version %v, the engine says %s", version.Version, want)
	}
}

// everyType has a column of each type the tables use.
const everyType = `CREATE TABLE every_type (
	id UUID, number UInt64, signed Int64, flag Bool,
	at DateTime64(6, 'UTC'), second DateTime('UTC'),
	text String, low LowCardinality(String), maybe Nullable(Int64), lowMaybe LowCardinality(Nullable(String)),
	list Array(String), labels Map(String, String),
	kind Enum8('sent' = 1, 'opened' = 2), fixed FixedString(16), ratio Float64
) ENGINE = MergeTree ORDER BY number`

type row struct {
	ID       uuid.UUID         `ch:"id"`
	Number   uint64            `ch:"number"`
	Signed   int64             `ch:"signed"`
	Flag     bool              `ch:"flag"`
	At       time.Time         `ch:"at"`
	Second   time.Time         `ch:"second"`
	Text     string            `ch:"text"`
	Low      string            `ch:"low"`
	Maybe    *int64            `ch:"maybe"`
	LowMaybe *string           `ch:"lowMaybe"`
	List     []string          `ch:"list"`
	Labels   map[string]string `ch:"labels"`
	Kind     string            `ch:"kind"`
	Fixed    string            `ch:"fixed"`
	Ratio    float64           `ch:"ratio"`
}

func sampleRows() []row {
	n, s := int64(-7), "x'\\\t\n\x00y"
	at := time.Date(2026, 3, 29, 1, 59, 59, 123456000, time.UTC)
	return []row{
		{ID: uuid.MustParse("01890000-0000-7000-8000-000000000001"), Number: 1 << 63, Signed: -1 << 63, Flag: true, At: at, Second: at.Truncate(time.Second),
			Text: "Grüße \x00\xff", Low: "a", Maybe: &n, LowMaybe: &s, List: []string{"", "b"}, Labels: map[string]string{"k": "v", "": ""}, Kind: "opened", Fixed: "0123456789abcdef", Ratio: 0.1},
		{ID: uuid.Nil, Number: 0, At: time.Unix(0, 0).UTC(), Second: time.Unix(0, 0).UTC(), List: []string{}, Labels: map[string]string{}, Kind: "sent", Fixed: strings.Repeat("\x00", 16)},
	}
}

func TestEveryTypeComesBack(t *testing.T) {
	conn := connect(t)
	exec(t, conn, everyType)
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO every_type")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range sampleRows() {
		if err := batch.AppendStruct(&r); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	var got []row
	if err := conn.Select(t.Context(), &got, "SELECT * FROM every_type ORDER BY number DESC"); err != nil {
		t.Fatal(err)
	}
	if want := sampleRows(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestColumnarAppend(t *testing.T) {
	conn := connect(t)
	exec(t, conn, "CREATE TABLE c (n UInt64, s LowCardinality(String), f FixedString(4), at DateTime64(6, 'UTC')) ENGINE = MergeTree ORDER BY n")
	const rows = 150_000 // several blocks of the engine, and several on the way back
	numbers, texts, fixed, times := make([]uint64, rows), make([]string, rows), make([]string, rows), make([]time.Time, rows)
	for i := range rows {
		numbers[i], texts[i], fixed[i], times[i] = uint64(i), fmt.Sprint(i%10), "abcd", time.UnixMicro(int64(i)).UTC()
	}
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO c (n, s, f, at)")
	if err != nil {
		t.Fatal(err)
	}
	for i, column := range []any{numbers, texts, fixed, times} {
		if err := batch.Column(i).Append(column); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	result, err := conn.Query(t.Context(), "SELECT n, toString(s), at FROM c ORDER BY n")
	if err != nil {
		t.Fatal(err)
	}
	defer result.Close()
	i := 0
	for ; result.Next(); i++ {
		var n uint64
		var s string
		var at time.Time
		if err := result.Scan(&n, &s, &at); err != nil {
			t.Fatal(err)
		}
		if n != uint64(i) || s != texts[i] || !at.Equal(times[i]) {
			t.Fatalf("row %d is %d, %q, %v", i, n, s, at)
		}
	}
	if err := result.Err(); err != nil || i != rows {
		t.Fatalf("%d rows, error %v", i, err)
	}
}

func TestParameters(t *testing.T) {
	conn := connect(t)
	for _, value := range []string{"", "plain", `it's "quoted" \ back`, "tab\tnewline\nreturn\r", "{x:String} ; DROP TABLE t --", "Grüße 🙂"} {
		var got string
		if err := conn.QueryRow(t.Context(), "SELECT {v:String}", driver.Named("v", value)).Scan(&got); err != nil || got != value {
			t.Errorf("named parameter %q came back as %q, error %v", value, got, err)
		}
		if err := conn.QueryRow(t.Context(), "SELECT ?", value).Scan(&got); err != nil || got != value {
			t.Errorf("positional parameter %q came back as %q, error %v", value, got, err)
		}
	}
	if n := count(t, conn, "SELECT count() FROM numbers(100) WHERE number IN {list:Array(UInt64)}", driver.Named("list", []uint64{1, 2, 200})); n != 2 {
		t.Errorf("an array parameter matched %d rows", n)
	}
}

func TestStatementsWithoutStream(t *testing.T) {
	conn := connect(t)
	exec(t, conn, "CREATE TABLE a (n UInt8) ENGINE = MergeTree ORDER BY n")
	exec(t, conn, "INSERT INTO a VALUES (1), (2)")
	exec(t, conn, "INSERT INTO a SELECT number FROM numbers(3)")
	exec(t, conn, "ALTER TABLE a ADD COLUMN m Map(String, String)")
	for sql, want := range map[string]int{
		"SHOW TABLES": 1, "DESCRIBE TABLE a": 2, "EXISTS TABLE a": 1, "SHOW CREATE TABLE a": 1,
		"SELECT 1 WHERE 0": 0, "SELECT n FROM a; ": 5, "SELECT n FROM a -- done": 5, "SELECT n FROM a SETTINGS max_threads = 1": 5,
	} {
		rows, err := conn.Query(t.Context(), sql)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		n := 0
		for rows.Next() {
			n++
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil || n != want {
			t.Errorf("%s gave %d rows, want %d, error %v", sql, n, want, err)
		}
	}
}

func TestExceptions(t *testing.T) {
	conn := connect(t)
	exec(t, conn, "CREATE TABLE t (n UInt8) ENGINE = MergeTree ORDER BY n")
	for _, test := range []struct {
		name, sql string
		settings  driver.Settings
		code      int32
	}{
		{"unknown table", "SELECT * FROM absent", nil, 60},
		{"unknown table, not streamed", "DROP TABLE absent", nil, 60},
		{"syntax", "SELEC 1", nil, 62},
		{"several statements", "SELECT 1; SELECT 2", nil, 62},
		{"several statements that write", "DROP TABLE IF EXISTS x; DROP TABLE IF EXISTS y", nil, 62},
		{"unknown column", "SELECT absent FROM t", nil, 47},
		{"table exists", "CREATE TABLE t (n UInt8) ENGINE = MergeTree ORDER BY n", nil, 57},
		{"unknown database", "SELECT * FROM absent.t", nil, 81},
		{"unknown setting", "SELECT 1", driver.Settings{"no_such_setting": 1}, 115},
		{"setting not offered", "SELECT 1", driver.Settings{"format_schema": "x"}, 115},
		{"bad value of a setting", "SELECT 1", driver.Settings{"max_threads": "many"}, 0},
		{"thrown at once", "SELECT throwIf(1)", nil, 395},
		{"thrown in the middle", "SELECT number, throwIf(number = 900000) FROM numbers(1000000)", nil, 395},
		{"memory", "SELECT groupArray(toString(number)) FROM numbers(10000000)", driver.Settings{"max_memory_usage": 10_000_000}, 241},
		{"time", "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1", driver.Settings{"max_execution_time": 1}, 159},
		{"rows", "SELECT number FROM numbers(1000)", driver.Settings{"max_result_rows": 10, "result_overflow_mode": "throw"}, 396},
		{"readonly", "INSERT INTO t VALUES (1)", driver.Settings{"readonly": 1}, 164},
	} {
		t.Run(test.name, func(t *testing.T) {
			rows, err := conn.Query(driver.Context(t.Context(), driver.WithSettings(test.settings)), test.sql)
			if err == nil {
				for rows.Next() {
				}
				err = errors.Join(rows.Err(), rows.Close())
			}
			var e *driver.Exception
			if !errors.As(err, &e) {
				t.Fatalf("the error is %v", err)
			}
			if test.code != 0 && e.Code != test.code {
				t.Errorf("the code is %d, want %d: %v", e.Code, test.code, e)
			}
			if strings.Contains(e.Message, "posthorn:") {
				t.Logf("the message shows the marker: %s", e.Message)
			}
		})
	}
	// The connections are as good as before.
	if n := count(t, conn, "SELECT count() FROM t"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

func TestUnknownDatabaseOfTheConnection(t *testing.T) {
	conn := connect(t, func(o *driver.Options) { o.Auth.Database = "absent" })
	err := conn.QueryRow(t.Context(), "SELECT 1").Err()
	var e *driver.Exception
	if !errors.As(err, &e) || e.Code != 81 {
		t.Errorf("the error is %v", err)
	}
}

func TestWrongPassword(t *testing.T) {
	conn := connect(t, func(o *driver.Options) { o.Auth.Password = "guess" })
	var e *driver.Exception
	if err := conn.Ping(t.Context()); !errors.As(err, &e) || e.Code != 516 {
		t.Errorf("the error is %v", err)
	}
}

func TestBlockCompressionIsRefused(t *testing.T) {
	conn := connect(t, func(o *driver.Options) { o.Compression = &driver.Compression{Method: driver.CompressionLZ4} })
	var e *driver.Exception
	if err := conn.Ping(t.Context()); !errors.As(err, &e) || e.Code != 48 {
		t.Errorf("the error is %v", err)
	}
}

func TestGzipBodies(t *testing.T) {
	conn := connect(t, func(o *driver.Options) {
		o.Compression = &driver.Compression{Method: driver.CompressionGZIP, Level: 1}
	})
	exec(t, conn, "CREATE TABLE g (n UInt64) ENGINE = MergeTree ORDER BY n")
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO g")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10_000 {
		if err := batch.Append(uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, conn, "SELECT uniqExact(n) FROM g"); n != 10_000 {
		t.Errorf("%d rows", n)
	}
}

func TestCancelStopsTheQuery(t *testing.T) {
	conn := connect(t)
	const mark = "cancel_test_4711"
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		failed <- conn.QueryRow(ctx, "SELECT count() AS "+mark+" FROM numbers(1000000000000) WHERE sipHash64(number) = 1").Err()
	}()
	running := "SELECT count() FROM system.processes WHERE query LIKE '%" + mark + "%' AND query NOT LIKE '%processes%' AND NOT is_cancelled"
	eventually(t, "the query runs", func() bool { return count(t, conn, running) == 1 })
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("the client's error is %v", err)
	}
	eventually(t, "the query has been stopped", func() bool { return count(t, conn, running) == 0 })
}

// eventually asks until the answer is yes.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	limit := time.After(30 * time.Second)
	for !done() {
		select {
		case <-ticker.C:
		case <-limit:
			t.Fatalf("it never happened that %s", what)
		}
	}
}
