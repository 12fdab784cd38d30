// Package faultproxy stands between a client and ClickHouse's HTTP interface and
// lets inserts go wrong, in the ways in which networks, balancers and ClickHouse
// itself do: a test arms a Fault, and the next inserts meet it. Everything else
// passes as it is.
package faultproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Proxy is one way to ClickHouse. Its address stays the same while the server
// behind it changes.
type Proxy struct {
	address string
	client  *http.Client

	late sync.WaitGroup

	mu       sync.Mutex
	inserts  map[string]int // that ClickHouse has answered well, by series
	upstream *url.URL
	server   *http.Server // nil while it is cut
	armed    []*Armed     // that wait for inserts
	ever     []*Armed     // all that were armed
}

// New makes a proxy on a loopback address. The DSN is of the kind http:// and
// may hold user and password; the proxy's own needs none.
func New(dsn string) (*Proxy, error) {
	p := &Proxy{inserts: map[string]int{}, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}}
	if err := p.Point(dsn); err != nil {
		return nil, err
	}
	return p, p.Restore()
}

// Point sends what comes from now on to another server.
func (p *Proxy) Point(dsn string) error {
	u, err := url.Parse(dsn)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("a fault proxy speaks HTTP: use the DSN http://user:password@host:8123/database of the server, not one of scheme %q", strings.SplitN(dsn, ":", 2)[0])
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.upstream = u
	return nil
}

// DSN is how clickhouse-go reaches the server's database through the proxy.
func (p *Proxy) DSN() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return "http://" + p.address + p.upstream.Path
}

// Inserts counts those that ClickHouse has said are done, heard by the client
// or not: of a series, or of all for "".
func (p *Proxy) Inserts(series string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for of, count := range p.inserts {
		if series == "" || of == series {
			n += count
		}
	}
	return n
}

// series is what the deduplication token of an insert says before its last
// hyphen: the sink's tokens hold table and lane there.
func (x *exchange) series() string {
	token := x.r.URL.Query().Get("insert_deduplication_token")
	return token[:max(0, strings.LastIndexByte(token, '-'))]
}

// Cut breaks all connections and refuses others.
func (p *Proxy) Cut() {
	p.mu.Lock()
	server := p.server
	p.server = nil
	p.mu.Unlock()
	if server != nil {
		_ = server.Close() // its listener is gone either way
	}
}

// Restore accepts connections again, on the same address.
func (p *Proxy) Restore() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		return nil
	}
	address := p.address
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listening as ClickHouse: %w", err)
	}
	p.address = listener.Addr().String()
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	go func(s *http.Server) { _ = s.Serve(listener) }(p.server) // ends with Cut
	return nil
}

// Close cuts the proxy and waits for requests that were held back.
func (p *Proxy) Close() {
	p.Cut()
	p.mu.Lock()
	for _, a := range p.ever {
		a.Release()
	}
	p.mu.Unlock()
	p.late.Wait()
	p.client.CloseIdleConnections()
}

// ServeHTTP passes a request on, or lets it meet the fault that is armed.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	x := &exchange{proxy: p, w: w, r: r, body: body}
	if query := strings.TrimSpace(r.URL.Query().Get("query")); strings.HasPrefix(query, "INSERT INTO") && len(body) > 0 {
		x.insert = true
		if a := p.next(x.series()); a != nil {
			defer a.done.Add(1)
			a.fault(x, a)
			return
		}
	}
	x.reply(x.forward(r.Context()))
}

// next is the fault that the next insert meets, if any.
func (p *Proxy) next(series string) *Armed {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.armed) > 0 {
		if a := p.armed[0]; a.left > 0 {
			a.left--
			if a.met.Add(1) == 1 {
				a.series.Store(&series)
			}
			return a
		}
		p.armed = p.armed[1:]
	}
	return nil
}

// answer is what ClickHouse has said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// exchange is a request on its way.
type exchange struct {
	proxy  *Proxy
	w      http.ResponseWriter
	r      *http.Request
	body   []byte
	insert bool
}

// forward has the server do it, all of it.
func (x *exchange) forward(ctx context.Context) (*answer, error) {
	return x.send(ctx, bytes.NewReader(x.body), int64(len(x.body)))
}

func (x *exchange) send(ctx context.Context, body io.Reader, length int64) (*answer, error) {
	x.proxy.mu.Lock()
	upstream := *x.proxy.upstream
	x.proxy.mu.Unlock()
	to := url.URL{Scheme: upstream.Scheme, Host: upstream.Host, Path: x.r.URL.Path, RawQuery: x.r.URL.RawQuery}
	req, err := http.NewRequestWithContext(ctx, x.r.Method, to.String(), body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = length
	for name, values := range x.r.Header {
		if name != "Authorization" && name != "X-Clickhouse-User" && name != "X-Clickhouse-Key" && !strings.HasPrefix(name, "X-Clickhouse-Ssl") {
			req.Header[name] = values
		}
	}
	if upstream.User != nil {
		password, _ := upstream.User.Password()
		req.SetBasicAuth(upstream.User.Username(), password)
	}
	resp, err := x.proxy.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if x.insert && resp.StatusCode == http.StatusOK && resp.Header.Get("X-ClickHouse-Exception-Code") == "" {
		x.proxy.mu.Lock()
		x.proxy.inserts[x.series()]++
		x.proxy.mu.Unlock()
	}
	return &answer{resp.StatusCode, resp.Header, got}, nil
}

// reply gives the client an answer; where there is none the connection breaks,
// as it would without a proxy.
func (x *exchange) reply(a *answer, err error) {
	if err != nil {
		x.reset()
		return
	}
	for name, values := range a.header {
		if name != "Content-Length" && name != "Transfer-Encoding" {
			x.w.Header()[name] = values
		}
	}
	x.w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	x.w.WriteHeader(a.status)
	_, _ = x.w.Write(a.body) // the client may have gone
	_ = http.NewResponseController(x.w).Flush()
}

// reset ends the client's connection by force.
func (x *exchange) reset() { x.breakAfter(nil) }

// breakAfter writes some bytes to the client's connection and breaks it.
func (x *exchange) breakAfter(text []byte) {
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // breaks it as well
	}
	if len(text) > 0 {
		_, err = conn.Write(text)
	}
	if tcp, ok := conn.(*net.TCPConn); ok && len(text) == 0 {
		err = errors.Join(err, tcp.SetLinger(0)) // a reset instead of an end
	}
	_ = errors.Join(err, conn.Close()) // broken is what it shall be
}

// gone waits until the client has given up, or for a minute.
func (x *exchange) gone() {
	select {
	case <-x.r.Context().Done():
	case <-time.After(time.Minute):
	}
}
