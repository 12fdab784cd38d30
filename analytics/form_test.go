package analytics

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/parquet-go/parquet-go"

	"github.com/posthorn/posthorn/schemas"
)

func TestFormOf(t *testing.T) {
	for _, c := range []struct {
		query, accept string
		rows          bool
		want          form
		status        int
	}{
		{"", "", true, formJSON, 0},
		{"", "*/*", true, formJSON, 0},
		{"", "text/html,application/xhtml+xml,*/*;q=0.8", true, formJSON, 0},
		{"", "text/csv", true, formCSV, 0},
		{"", "text/*", true, formCSV, 0},
		{"", "application/json, text/csv", true, formJSON, 0},
		{"", "application/json;q=0.5, text/csv", true, formCSV, 0},
		{"", "application/x-ndjson", true, formNDJSON, 0},
		{"", "application/vnd.apache.parquet", true, formParquet, 0},
		{"", "application/vnd.apache.arrow.stream, */*;q=0.1", true, formArrow, 0},
		{"", "*/*, application/json;q=0", true, formCSV, 0},
		{"", "text/html", true, formJSON, 406},
		{"", "text/csv", false, formJSON, 406},
		{"", "garbage;;;", true, formJSON, 0},
		{"format=parquet", "application/json", true, formParquet, 0},
		{"format=json", "text/csv", true, formJSON, 0},
		{"format=xml", "", true, formJSON, 400},
		{"format=csv", "", false, formJSON, 400},
	} {
		r := httptest.NewRequest("GET", "/x?"+c.query, nil)
		if c.accept != "" {
			r.Header.Set("Accept", c.accept)
		}
		got, err := formOf(r, c.rows)
		status := 0
		if err != nil {
			status = err.(*Problem).Status
		}
		if status != c.status || err == nil && got != c.want {
			t.Errorf("%q, Accept %q: %v, %v; want %v, %d", c.query, c.accept, got, err, c.want, c.status)
		}
	}
}

// hostile has every kind, unknown values, and texts that want quoting.
func hostile() sheet {
	at := time.Date(2026, 3, 29, 2, 30, 0, 123_456_000, time.FixedZone("", 5*3600+45*60))
	return sheet{name: "hostile", columns: []sheetColumn{
		{"zulu", columnText}, {"n", columnInteger}, {"x", columnReal}, {"yes", columnBoolean}, {"at", columnTime},
	}, rows: [][]any{
		{"a,\"b\"\n<c>é", int64(math.MaxInt64), 0.1, true, at},
		{nil, nil, nil, nil, nil},
		{"", int64(math.MinInt64), -1e300, false, time.Unix(0, 0)},
	}}
}

func written(t *testing.T, f form) []byte {
	t.Helper()
	s := hostile()
	var b bytes.Buffer
	if err := s.write(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCSV(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(written(t, formCSV))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"zulu", "n", "x", "yes", "at"},
		{"a,\"b\"\n<c>é", "9223372036854775807", "0.1", "true", "2026-03-29T02:30:00.123456+05:45"},
		{"", "", "", "", ""},
		{"", "-9223372036854775808", "-1e+300", "false", time.Unix(0, 0).Format(time.RFC3339Nano)},
	}
	if fmt.Sprint(rows) != fmt.Sprint(want) {
		t.Errorf("%q\nwant %q", rows, want)
	}
}

func TestNDJSON(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(string(written(t, formNDJSON)), "\n"), "\n")
	if want := `{"zulu":"a,\"b\"\n<c>é","n":9223372036854775807,"x":0.1,"yes":true,"at":"2026-03-29T02:30:00.123456+05:45"}`; len(lines) != 3 || lines[0] != want {
		t.Fatalf("%q\nwant %q", lines, want)
	}
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
	if lines[1] != `{"zulu":null,"n":null,"x":null,"yes":null,"at":null}` {
		t.Errorf("unknown values: %s", lines[1])
	}
}

func TestArrow(t *testing.T) {
	r, err := ipc.NewReader(bytes.NewReader(written(t, formArrow)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	if !r.Next() {
		t.Fatal("no batch", r.Err())
	}
	batch := r.RecordBatch()
	if batch.NumRows() != 3 || batch.Schema().Field(0).Name != "zulu" {
		t.Fatalf("%d rows, %v", batch.NumRows(), batch.Schema())
	}
	for i := range batch.Columns() {
		if !batch.Column(i).IsNull(1) || batch.Column(i).IsNull(2) {
			t.Errorf("column %d: unknown is not null", i)
		}
	}
	at := batch.Column(4).(*array.Timestamp).Value(0).ToTime(arrow.Microsecond)
	if n := batch.Column(1).(*array.Int64).Value(0); n != math.MaxInt64 || !at.Equal(hostile().rows[0][4].(time.Time)) {
		t.Errorf("%d, %v", n, at)
	}
}

func TestParquet(t *testing.T) {
	type row struct {
		Zulu *string    `parquet:"zulu"`
		N    *int64     `parquet:"n"`
		X    *float64   `parquet:"x"`
		Yes  *bool      `parquet:"yes"`
		At   *time.Time `parquet:"at,timestamp(microsecond)"`
	}
	b := written(t, formParquet)
	rows, err := parquet.Read[row](bytes.NewReader(b), int64(len(b)))
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if r := rows[1]; r.Zulu != nil || r.N != nil || r.X != nil || r.Yes != nil || r.At != nil {
		t.Errorf("unknown is not null: %+v", r)
	}
	r, want := rows[0], hostile().rows[0]
	if *r.Zulu != want[0] || *r.N != want[1] || *r.X != want[2] || *r.Yes != want[3] || !r.At.Equal(want[4].(time.Time)) {
		t.Errorf("%q %d %g %t %v", *r.Zulu, *r.N, *r.X, *r.Yes, r.At)
	}
}

// A value of the wrong kind must not become another one.
func TestSheetRefusesWrongKinds(t *testing.T) {
	for f := formCSV; f <= formArrow; f++ {
		for _, rows := range [][][]any{{{"a"}}, {{"a", 1, 0.5, true, time.Now()}}, {{"a", int64(1), 0.5, true, "now"}}} {
			s := hostile()
			s.rows = rows
			if err := s.write(&bytes.Buffer{}, f); err == nil {
				t.Errorf("%s takes %v", forms[f].name, rows)
			}
		}
	}
}

// Every list can be had in every form, with the same rows.
func TestListsInEveryForm(t *testing.T) {
	conn := migrated(t)
	for _, id := range []string{"7", "8"} {
		fill(t, conn, schemas.TopicStatistics, &schemas.CampaignStatistics{Tenant: "default", CampaignID: id, Basis: schemas.BasisLifetime,
			Counters: schemas.Counters{Messages: 3, Delivered: 2}, FirstEventAt: epoch, LastEventAt: epoch, UpdatedAt: epoch})
	}
	api := NewAPI(APIConfig{Conn: conn})
	for _, path := range []string{"/v1/campaigns", "/v1/series?resolution=hour", "/v1/triggers", "/v1/deliveries", "/v1/suppressions", "/v1/rules"} {
		for f := formJSON; f <= formArrow; f++ {
			r := httptest.NewRequest("GET", path, nil)
			r.Header.Set("Accept", forms[f].mediaType)
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), forms[f].mediaType) || w.Header().Get("Vary") != "Accept" {
				t.Errorf("%s as %s: %d %v %s", path, forms[f].name, w.Code, w.Header(), w.Body)
			}
		}
	}
	// The next page is told where the rows have no room for it.
	w := httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequest("GET", "/v1/campaigns?limit=1&format=ndjson", nil))
	if lines := strings.Count(w.Body.String(), "\n"); lines != 1 || !strings.Contains(w.Header().Get("Link"), `rel="next"`) {
		t.Errorf("%d lines, Link %q", lines, w.Header().Get("Link"))
	}
}
