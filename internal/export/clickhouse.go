package export

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/cenkalti/backoff/v5"
)

// database asks ClickHouse over HTTP, where it writes the formats itself.
type database struct {
	base     url.URL
	name     string
	user     string
	password string
	client   *http.Client
}

// The ports of ClickHouse's HTTP interface, for DSNs that name the native one.
const httpPort, httpsPort = "8123", "8443"

// queryTimeout bounds one query with its answer. A chunk takes seconds; what takes so
// long stands still.
const queryTimeout = 5 * time.Minute

func openDatabase(dsn string) (*database, error) {
	opt, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("parsing ClickHouse DSN: %w", err)
	}
	if len(opt.Addr) == 0 {
		return nil, errors.New("the ClickHouse DSN names no host")
	}
	d := &database{name: opt.Auth.Database, user: opt.Auth.Username, password: opt.Auth.Password}
	d.base = url.URL{Scheme: "http", Host: opt.Addr[0], Path: "/"}
	if opt.TLS != nil {
		d.base.Scheme = "https"
	}
	if opt.Protocol == clickhouse.Native {
		port := httpPort
		if opt.TLS != nil {
			port = httpsPort
		}
		native := url.URL{Host: opt.Addr[0]}
		d.base.Host = native.Hostname() + ":" + port
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = opt.TLS
	d.client = &http.Client{Transport: transport, Timeout: queryTimeout}
	return d, nil
}

// settings of every query: documents have the same form whatever the server's
// defaults, and a failure is told before the first byte where the server can do that.
var settings = map[string]string{
	"date_time_output_format":                 "iso",
	"output_format_json_quote_64bit_integers": "0",
	"session_timezone":                        "UTC",
	"wait_end_of_query":                       "1",
}

// query executes sql and copies the answer to out.
func (d *database) query(ctx context.Context, sql string, out io.Writer) error {
	values := url.Values{"database": {d.name}}
	for name, value := range settings {
		values.Set(name, value)
	}
	to := d.base
	to.RawQuery = values.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(sql))
	if err != nil {
		return backoff.Permanent(fmt.Errorf("asking ClickHouse: %w", err))
	}
	req.Header.Set("X-ClickHouse-User", d.user)
	req.Header.Set("X-ClickHouse-Key", d.password)
	resp, err := d.client.Do(req)
	if err != nil {
		return fmt.Errorf("asking ClickHouse over HTTP: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return refused(resp)
	}
	return copyAnswer(out, resp)
}

// maxException bounds what is read of an exception, in bytes.
const maxException = 16 << 10

// errTooLarge says that an answer is more than ClickHouse makes at a time, as the
// embedded engine does not of documents over 256 MiB.
var errTooLarge = errors.New("too much at a time")

// tooManyRowsOrBytes is the code of ClickHouse's exception TOO_MANY_ROWS_OR_BYTES.
const tooManyRowsOrBytes = "396"

// refused is what ClickHouse said instead of an answer. What is wrong with the query
// stays so.
func refused(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxException)) // what there is of it
	err := fmt.Errorf("ClickHouse answers %s: %s", resp.Status, bytes.TrimSpace(text))
	if resp.Header.Get("X-ClickHouse-Exception-Code") == tooManyRowsOrBytes {
		return backoff.Permanent(fmt.Errorf("%w: %w", errTooLarge, err))
	}
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return err
	}
	if resp.StatusCode < 500 {
		return backoff.Permanent(err)
	}
	return err
}

// copyAnswer copies the body, and tells where it ends with an exception instead of
// the last rows.
func copyAnswer(out io.Writer, resp *http.Response) error {
	end := &tail{}
	if _, err := io.Copy(io.MultiWriter(out, end), resp.Body); err != nil {
		return fmt.Errorf("reading ClickHouse's answer: %w", err)
	}
	tag := resp.Header.Get("X-ClickHouse-Exception-Tag")
	if tag != "" && bytes.HasSuffix(end.last, []byte(tag+"\r\n__exception__\r\n")) {
		return fmt.Errorf("ClickHouse broke its answer off: %s", bytes.TrimSpace(end.last))
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct{ last []byte }

const tailBytes = 512

func (t *tail) Write(b []byte) (int, error) {
	t.last = append(t.last, b[max(0, len(b)-tailBytes):]...)
	t.last = append(t.last[:0], t.last[max(0, len(t.last)-tailBytes):]...)
	return len(b), nil
}

// list executes a query with few rows, each of text columns.
func (d *database) list(ctx context.Context, sql string) (rows [][]string, err error) {
	var out bytes.Buffer
	if err := d.query(ctx, sql+"\nFORMAT JSONCompactStringsEachRow", &out); err != nil {
		return nil, err
	}
	for dec := json.NewDecoder(&out); ; {
		var row []string
		if err := dec.Decode(&row); err == io.EOF {
			return rows, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading ClickHouse's answer: %w", err)
		}
		rows = append(rows, row)
	}
}

// quote writes a string literal.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// quoteName writes the name of a column.
func quoteName(s string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(s) + "`"
}
