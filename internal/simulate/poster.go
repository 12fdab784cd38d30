package simulate

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// PostConfig tells where bodies are posted, and how fast.
type PostConfig struct {
	// URL of the source, with user and password for Basic authentication.
	URL string
	// BackupURL is where bodies of kind BackupURL go; "": URL.
	BackupURL string
	// Connections is the number of requests at a time; 0: 16.
	Connections int
	// Rate is how many events are posted a second; 0: as many as are taken. The
	// loop is open: a body that is late does not shift those after it.
	Rate float64
	// GiveUp ends the run when one body has not been taken for so long;
	// 0: 5 minutes.
	GiveUp time.Duration
	// Progress is called now and then, and at the end; never concurrently.
	Progress func(Progress)
	// BeforePost is called, concurrently, before a body is posted for the first
	// time, with the time when it was to be posted.
	BeforePost func(b Body, due time.Time)
}

// Progress is how far the posting is.
type Progress struct {
	Bodies, Events, Bytes int64 // taken, answered 200
	Retries               int64
	Messages, Total       int64 // generated, to be generated
	Elapsed               time.Duration
}

// progressEvery is how often Progress is called.
const progressEvery = 100 * time.Millisecond

type poster struct {
	cfg     PostConfig
	targets map[Kind]*target
	client  *http.Client
	began   time.Time

	mu     sync.Mutex // the generator's
	g      *Generator
	posted int64 // events handed out

	report   sync.Mutex
	progress Progress
	reported time.Time
}

type target struct {
	url    *url.URL
	public string
	header http.Header
}

// Post posts all bodies of the generator as the provider would: whatever is
// not answered 200 is posted again. It returns what was taken, and an error
// when the run ended early.
func Post(ctx context.Context, cfg PostConfig, g *Generator) (Progress, error) {
	if cfg.Connections == 0 {
		cfg.Connections = 16
	}
	if cfg.GiveUp == 0 {
		cfg.GiveUp = 5 * time.Minute
	}
	if cfg.BackupURL == "" {
		cfg.BackupURL = cfg.URL
	}
	main, err := newTarget(cfg.URL)
	if err != nil {
		return Progress{}, err
	}
	backup, err := newTarget(cfg.BackupURL)
	if err != nil {
		return Progress{}, err
	}
	transport := &http.Transport{
		MaxIdleConns: 2 * cfg.Connections, MaxIdleConnsPerHost: 2 * cfg.Connections,
		IdleConnTimeout: time.Minute, DisableCompression: true,
	}
	defer transport.CloseIdleConnections()
	p := &poster{
		cfg: cfg, g: g, began: time.Now(),
		targets: map[Kind]*target{Original: main, Repeated: main, Malformed: main, BackupURL: backup},
		client: &http.Client{
			Transport: transport, Timeout: 30 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range cfg.Connections {
		wg.Go(func() {
			if err := p.run(ctx); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	p.done(Body{}, 0, true)
	return p.progress, context.Cause(ctx)
}

func newTarget(raw string) (*target, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("url: want one like http://user:password@127.0.0.1:8080/v1/webhooks/mailjet")
	}
	t := &target{header: http.Header{"Content-Type": {"application/json"}, "User-Agent": {"posthorn-simulate"}}}
	if u.User != nil {
		password, _ := u.User.Password()
		t.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
		u.User = nil
	}
	t.url, t.public = u, u.String()
	return t, nil
}

// run posts one body after the other.
func (p *poster) run(ctx context.Context) error {
	var buf []byte
	for ctx.Err() == nil {
		p.mu.Lock()
		b, ok := p.g.Next(buf[:0])
		due := p.began
		if p.cfg.Rate > 0 {
			due = due.Add(time.Duration(float64(p.posted) / p.cfg.Rate * float64(time.Second)))
		}
		p.posted += int64(b.Events)
		p.mu.Unlock()
		if !ok {
			return nil
		}
		buf = b.Data
		if p.cfg.Rate <= 0 {
			due = time.Now()
		} else if !sleep(ctx, time.Until(due)) {
			return nil
		}
		if p.cfg.BeforePost != nil {
			p.cfg.BeforePost(b, due)
		}
		retries, err := p.post(ctx, p.targets[b.Kind], b.Data)
		if err != nil {
			return err
		}
		p.done(b, retries, false)
	}
	return nil
}

// post posts one body until it is taken.
func (p *poster) post(ctx context.Context, t *target, data []byte) (retries int64, err error) {
	began := time.Now()
	for {
		status, after, err := p.once(ctx, t, data)
		switch {
		case ctx.Err() != nil:
			return retries, ctx.Err()
		case err != nil: // again
		case status == http.StatusOK:
			return retries, nil
		case status == http.StatusUnauthorized || status == http.StatusForbidden:
			return retries, fmt.Errorf("%s answered %d: user and password in the URL must be those of the source", t.public, status)
		case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
			return retries, fmt.Errorf("%s answered %d: the path must be /v1/webhooks/ and the name of a source", t.public, status)
		case status == http.StatusRequestEntityTooLarge:
			return retries, fmt.Errorf("%s answered %d to a body of %d bytes: raise its limit or post smaller batches", t.public, status, len(data))
		default:
			err = fmt.Errorf("answered %d", status)
		}
		if time.Since(began) > p.cfg.GiveUp {
			return retries, fmt.Errorf("posting to %s: not taken for %s: %w", t.public, p.cfg.GiveUp, err)
		}
		wait := min(100*time.Millisecond<<min(retries, 6), 5*time.Second)
		if after > 0 {
			wait = min(after, p.cfg.GiveUp)
		}
		retries++
		if !sleep(ctx, wait+rand.N(wait/4+1)) {
			return retries, ctx.Err()
		}
	}
}

func (p *poster) once(ctx context.Context, t *target, data []byte) (status int, after time.Duration, err error) {
	req := (&http.Request{
		Method: http.MethodPost, URL: t.url, Host: t.url.Host, Header: t.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: http.NoBody, ContentLength: int64(len(data)),
	}).WithContext(ctx)
	// The transport may read a body after it has returned, and data is reused.
	var reading sync.WaitGroup
	defer reading.Wait()
	if len(data) > 0 {
		// With GetBody the transport may repeat a request whose kept-alive
		// connection turned out to be closed.
		req.GetBody = func() (io.ReadCloser, error) {
			reading.Add(1)
			return &sentBody{Reader: bytes.NewReader(data), closed: reading.Done}, nil
		}
		req.Body, _ = req.GetBody()
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		after = time.Duration(min(s, 3600)) * time.Second
	}
	return resp.StatusCode, after, nil
}

// sentBody tells once when it is closed.
type sentBody struct {
	*bytes.Reader
	once   sync.Once
	closed func()
}

func (b *sentBody) Close() error {
	b.once.Do(b.closed)
	return nil
}

// done counts a body that was taken, and reports.
func (p *poster) done(b Body, retries int64, last bool) {
	p.report.Lock()
	defer p.report.Unlock()
	s := &p.progress
	if !last {
		s.Bodies++
		s.Events += int64(b.Events)
		s.Bytes += int64(len(b.Data))
		s.Retries += retries
	}
	now := time.Now()
	s.Elapsed = now.Sub(p.began)
	if last || now.Sub(p.reported) >= progressEvery {
		p.reported = now
		p.mu.Lock()
		s.Messages, s.Total = p.g.Messages()
		p.mu.Unlock()
		if p.cfg.Progress != nil {
			p.cfg.Progress(*s)
		}
	}
}

// sleep waits and reports whether the context is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
