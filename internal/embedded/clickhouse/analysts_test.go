package clickhouse_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/posthorn/posthorn/internal/embedded/clickhouse/clickhousetest"
)

// ask sends a query as curl does, and gives the body, the exception code and the status.
func ask(t testing.TB, method, address, body string) (text, code string, status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data), answer.Header.Get("X-ClickHouse-Exception-Code"), answer.StatusCode
}

func sqlURL(t testing.TB, sql string, more ...string) string {
	values := url.Values{"query": {sql}}
	for i := 0; i < len(more); i += 2 {
		values.Set(more[i], more[i+1])
	}
	return clickhousetest.Start(t).SQLURL() + "/?" + values.Encode()
}

func TestAnalystsRead(t *testing.T) {
	conn := connect(t)
	exec(t, conn, "CREATE TABLE read_me (n UInt8, s String) ENGINE = MergeTree ORDER BY n")
	exec(t, conn, "INSERT INTO read_me VALUES (1, 'a'), (2, 'b')")
	var database string
	if err := conn.QueryRow(t.Context(), "SELECT currentDatabase()").Scan(&database); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, method, address, body, want string
	}{
		{"query in the URL", "GET", sqlURL(t, "SELECT 1"), "", "1\n"},
		{"query in the body", "POST", clickhousetest.Start(t).SQLURL(), "SELECT 1 + 1", "2\n"},
		{"query in both", "POST", sqlURL(t, "SELECT 1 +"), "2", "3\n"},
		{"a database", "GET", sqlURL(t, "SELECT n, s FROM read_me ORDER BY n", "database", database), "", "1\ta\n2\tb\n"},
		{"a format in the SQL", "GET", sqlURL(t, "SELECT s FROM read_me ORDER BY n FORMAT CSV", "database", database), "", "\"a\"\n\"b\"\n"},
		{"a format in the URL", "GET", sqlURL(t, "SELECT 1 AS x", "default_format", "JSONEachRow"), "", "{\"x\":1}\n"},
		{"a document", "GET", sqlURL(t, "SELECT sum(length(toString(x.1))) AS n FROM (SELECT tuple(number) AS x FROM numbers(10)) FORMAT TSVWithNames"), "", "n\n10\n"},
		{"parameters", "GET", sqlURL(t, "SELECT {a:UInt8} + {b:UInt8}", "param_a", "1", "param_b", "41"), "", "42\n"},
		{"less time", "GET", sqlURL(t, "SELECT getSetting('max_execution_time')", "max_execution_time", "5"), "", "5\n"},
		{"more time is not given", "GET", sqlURL(t, "SELECT getSetting('max_execution_time')", "max_execution_time", "5000"), "", "60\n"},
		{"the scalar function format", "GET", sqlURL(t, "SELECT format('{}-{}', 'a', 'b')"), "", "a-b\n"},
		{"describe", "GET", sqlURL(t, "DESCRIBE TABLE "+database+".read_me FORMAT TSVRaw"), "", "n\tUInt8\t\t\t\t\t\ns\tString\t\t\t\t\t\n"},
		{"ping", "GET", clickhousetest.Start(t).SQLURL() + "/ping", "", "Ok.\n"},
		{"nothing", "GET", clickhousetest.Start(t).SQLURL(), "", "Ok.\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, code, status := ask(t, test.method, test.address, test.body)
			if got != test.want || status != 200 {
				t.Errorf("got %q, status %d, exception %s, want %q", got, status, code, test.want)
			}
		})
	}
}

func TestAnalystsAreOneDocument(t *testing.T) {
	for _, format := range []string{"JSON", "CSVWithNames", "JSONCompact"} {
		got, _, _ := ask(t, "GET", sqlURL(t, "SELECT number AS unique_name FROM numbers(200000) FORMAT "+format), "")
		if n := strings.Count(got, "unique_name"); n != 1 && format != "JSON" {
			t.Errorf("%s has its header %d times", format, n)
		}
		if n := strings.Count(got, `"meta"`); n > 1 {
			t.Errorf("%s has %d documents", format, n)
		}
	}
}

func TestAnalystsAreRefused(t *testing.T) {
	conn := connect(t)
	exec(t, conn, "CREATE TABLE precious (n UInt8) ENGINE = MergeTree ORDER BY n")
	exec(t, conn, "INSERT INTO precious VALUES (1)")
	var database string
	if err := conn.QueryRow(t.Context(), "SELECT currentDatabase()").Scan(&database); err != nil {
		t.Fatal(err)
	}
	table := database + ".precious"
	secret := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(secret, []byte("password,hunter2\n1,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stolen := filepath.Join(t.TempDir(), "stolen.csv")
	var reached atomic.Int64
	bait := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		_, _ = io.WriteString(w, "hunter2\n")
	}))
	defer bait.Close()
	baitHost := strings.TrimPrefix(bait.URL, "http://")

	for _, sql := range []string{
		"INSERT INTO " + table + " VALUES (2)",
		"INSERT INTO " + table + " SELECT 2",
		"INSERT INTO FUNCTION file('" + stolen + "', 'CSV') SELECT 1",
		"SET max_execution_time = 0",
		"SET readonly = 0",
		"SELECT 1 SETTINGS max_execution_time = 0",
		"SELECT 1 SETTINGS readonly = 0",
		"CREATE TABLE x (n UInt8) ENGINE = MergeTree ORDER BY n",
		"CREATE TEMPORARY TABLE x (n UInt8)",
		"CREATE VIEW v AS SELECT 1",
		"CREATE FUNCTION f AS x -> x",
		"CREATE USER u",
		"DROP TABLE " + table,
		"DROP DATABASE " + database,
		"TRUNCATE TABLE " + table,
		"ALTER TABLE " + table + " DELETE WHERE 1",
		"DELETE FROM " + table + " WHERE 1",
		"OPTIMIZE TABLE " + table,
		"RENAME TABLE " + table + " TO other",
		"DETACH TABLE " + table,
		"ATTACH TABLE " + table,
		"BACKUP TABLE " + table + " TO File('" + stolen + "')",
		"SYSTEM SHUTDOWN",
		"SYSTEM DROP MARK CACHE",
		"KILL QUERY WHERE 1",
		"USE " + database,
		"GRANT ALL ON *.* TO default",
		"SELECT 1; SELECT 2",
		"SELECT 1; DROP TABLE " + table,
		"SELECT 1 INTO OUTFILE '" + stolen + "'",
		"SELECT 1 /* */ INTO /* */ OUTFILE '" + stolen + "' FORMAT CSV",
		"EXPLAIN SELECT 1 INTO OUTFILE '" + stolen + "'",
		"SELECT * FROM file('" + secret + "', 'CSV')",
		"SELECT * FROM file('" + secret + "')",
		"SELECT * FROM `file`('" + secret + "', 'CSV')",
		"SELECT * FROM file/**/('" + secret + "', 'CSV')",
		"SELECT file('" + secret + "')",
		"SELECT FILE ('" + secret + "')",
		"SELECT \"file\" -- x\n('" + secret + "')",
		"SELECT `fil\\x65`('" + secret + "')",
		"SELECT arrayMap(x -> file(x), ['" + secret + "'])",
		"SELECT * FROM '" + secret + "'",
		"SELECT * FROM `" + secret + "`",
		"SELECT * FROM default.`" + secret + "`",
		"SELECT * FROM default.`\\x2f" + secret[1:] + "`",
		"DESCRIBE TABLE file('" + secret + "', 'CSVWithNames')",
		"DESCRIBE file('" + secret + "')",
		"DESCRIBE TABLE '" + secret + "'",
		"DESCRIBE `" + secret + "`",
		"DESC (SELECT * FROM file('" + secret + "'))",
		"SHOW CREATE TABLE `" + secret + "`",
		"EXISTS TABLE `" + secret + "`",
		"SELECT * FROM url('" + bait.URL + "', 'CSV', 'a String')",
		"SELECT * FROM url('" + bait.URL + "')",
		"SELECT * FROM `url`('" + bait.URL + "', 'CSV')",
		"DESCRIBE TABLE url('" + bait.URL + "', 'CSV')",
		"EXPLAIN SELECT * FROM url('" + bait.URL + "', 'CSV')",
		"SELECT * FROM s3('" + bait.URL + "/bucket/key', 'CSV', 'a String')",
		"SELECT * FROM s3('" + bait.URL + "/bucket/key', 'CSV')",
		"DESCRIBE TABLE s3('" + bait.URL + "/bucket/key', 'CSV')",
		"SELECT * FROM iceberg('" + bait.URL + "/bucket/key')",
		"SELECT * FROM deltaLake('" + bait.URL + "/bucket/key')",
		"SELECT * FROM remote('" + baitHost + "', 'system.one')",
		"SELECT * FROM remoteSecure('" + baitHost + "', 'system.one')",
		"DESCRIBE TABLE remote('" + baitHost + "', 'system.one')",
		"SELECT * FROM mysql('" + baitHost + "', 'a', 'b', 'c', 'd')",
		"SELECT * FROM postgresql('" + baitHost + "', 'a', 'b', 'c', 'd')",
		"SELECT * FROM mongodb('" + baitHost + "', 'a', 'b', 'c', 'd', 'e String')",
		"SELECT * FROM redis('" + baitHost + "', 'k', 'k String')",
		"SELECT * FROM sqlite('" + secret + "', 'b')",
		"SELECT * FROM executable('true', 'CSV', 'a String')",
		"SELECT * FROM python('x')",
		"SELECT catboostEvaluate('" + secret + "', 1)",
		"SELECT * FROM system.stack_trace",
		"SELECT * FROM system.`stack_trace`",
		"SELECT * FROM format(CSV, 'a')",
	} {
		t.Run(sql[:min(len(sql), 50)], func(t *testing.T) {
			for _, method := range []string{"GET", "POST"} {
				address, body := sqlURL(t, sql), ""
				if method == "POST" {
					address, body = clickhousetest.Start(t).SQLURL(), sql
				}
				got, code, status := ask(t, method, address, body)
				if status == 200 || code == "" {
					t.Errorf("%s: answered %q with status %d", method, got, status)
				}
				if strings.Contains(got, "hunter2") {
					t.Errorf("%s: gave away what is in the file: %s", method, got)
				}
			}
		})
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("another host was asked %d times", n)
	}
	if _, err := os.Stat(stolen); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was written: %v", err)
	}
	if n := count(t, conn, "SELECT count() FROM precious"); n != 1 {
		t.Errorf("the table has %d rows now", n)
	}
	for _, setting := range []string{"max_memory_usage", "max_result_rows", "insert_deduplication_token", "no_such_setting"} {
		if got, code, status := ask(t, "GET", sqlURL(t, "SELECT 1", setting, "0"), ""); status == 200 || code == "" {
			t.Errorf("setting %s: answered %q", setting, got)
		}
	}
	// A POST with an INSERT in the URL has its data in the body.
	if got, _, status := ask(t, "POST", sqlURL(t, "INSERT INTO "+table+" FORMAT TSV"), "2\n"); status == 200 {
		t.Errorf("a streamed insert was answered %q", got)
	}
}

func TestAnalystsLimits(t *testing.T) {
	for _, test := range []struct{ name, address, code string }{
		{"rows", sqlURL(t, "SELECT number FROM numbers(1000001)"), "396"},
		{"memory", sqlURL(t, "SELECT groupArray(toString(number)) FROM numbers(100000000)"), "241"},
		{"time", sqlURL(t, "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1", "max_execution_time", "1"), "159"},
	} {
		t.Run(test.name, func(t *testing.T) {
			// The rows before the limit may have been sent: then the exception
			// is at the end of the body.
			got, code, _ := ask(t, "GET", test.address, "")
			if code != test.code && !strings.Contains(got, "Code: "+test.code+".") {
				t.Errorf("the exception is %q, want %s", code, test.code)
			}
		})
	}
	long := "SELECT '" + strings.Repeat("x", 300_000) + "'"
	if _, code, status := ask(t, "POST", clickhousetest.Start(t).SQLURL(), long); code != "229" || status != http.StatusRequestEntityTooLarge {
		t.Errorf("a long statement gave exception %s, status %d", code, status)
	}
}

func TestAnalystsUseTheDriver(t *testing.T) {
	address := strings.TrimPrefix(clickhousetest.Start(t).SQLURL(), "http://")
	conn, err := driver.Open(&driver.Options{Protocol: driver.HTTP, Addr: []string{address}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n := count(t, conn, "SELECT count() FROM numbers(1000)"); n != 1000 {
		t.Errorf("counted %d", n)
	}
	var e *driver.Exception
	if err := conn.Exec(t.Context(), "CREATE TABLE x (n UInt8) ENGINE = Memory"); !errors.As(err, &e) || e.Code != 164 {
		t.Errorf("the error is %v", err)
	}
}

func TestAnalystsFromAWebPage(t *testing.T) {
	request, err := http.NewRequestWithContext(t.Context(), "GET", sqlURL(t, "SELECT 1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "rebound.example.com"
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("a foreign host name was served: %s", answer.Status)
	}
}

func TestWritersNeedThePassword(t *testing.T) {
	u, err := url.Parse(clickhousetest.Start(t).DSN())
	if err != nil {
		t.Fatal(err)
	}
	u.User = nil
	u.Path = "/"
	u.RawQuery = "query=SELECT+1"
	if got, code, status := ask(t, "GET", u.String(), ""); status != http.StatusForbidden || code != "516" {
		t.Errorf("without a password: %q, exception %s, status %d", got, code, status)
	}
}
