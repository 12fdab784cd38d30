package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/receiver"
	"github.com/posthorn/posthorn/internal/simulate"
)

// demoRule is the story that Posthorn comes from.
const demoRule = `# A discount to everyone who opens an e-mail within 24 hours of its send.
rules:
  - name: discount-24h
    within: {event: opened, of: send, duration: 24h}
    once_per: message
    limit: 1000000 # calls an hour; beyond it the rule would be paused
    call: shop
`

type demoOptions struct {
	events  int
	oneshot bool
	timeout time.Duration
}

func (a *app) demoCommand() *cobra.Command {
	o := demoOptions{oneshot: os.Getenv("ONESHOT") != ""}
	cmd := &cobra.Command{
		Use: "demo", Short: "Show the whole way on a fresh data directory", Args: cobra.NoArgs,
		Long: `Starts everything on a fresh data directory with an example rule and a local
receiver of callbacks, posts simulated Mailjet campaigns, tells the story in
numbers, verifies everything, and stays up for you to try, unless --oneshot.`,
		Example: `  posthorn demo
  ONESHOT=1 posthorn demo --events 200000`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd, o) },
	}
	config.AddFlags(cmd.Flags(), "data", "clickhouse", "log-level", "log-format", "partitions")
	f := cmd.Flags()
	f.IntVar(&o.events, "events", 105_000, "about how many events")
	f.BoolVar(&o.oneshot, "oneshot", o.oneshot, "end after the story (env ONESHOT)")
	f.DurationVar(&o.timeout, "timeout", 5*time.Minute, "give up when it takes longer")
	return cmd
}

func (a *app) demo(cmd *cobra.Command, o demoOptions) (err error) {
	began := time.Now()
	cfg, err := a.load(cmd)
	if err != nil {
		return err
	}
	if !cmd.Flags().Changed("log-level") {
		cfg.Log.Level = "warn" // the story is the output
	}
	log, err := a.logger(cfg)
	if err != nil {
		return err
	}
	if !cmd.Flags().Changed("data") {
		if cfg.Data, err = os.MkdirTemp("", "posthorn-demo-"); err != nil {
			return fmt.Errorf("creating data directory: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(cfg.Data)) }()
	}
	first := newFirstCall(began, a.out)
	shop, err := prepareDemo(cfg, first)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	to := newActors(ctx, log)
	u, err := a.startUp(ctx, cfg, log, to)
	if err != nil {
		return errors.Join(err, shop.Close())
	}
	d := &demo{app: a, up: u, shop: shop, first: first, options: o}
	var told error
	to.add("demo", func(ctx context.Context) error {
		if told = d.tell(ctx); told != nil || o.oneshot {
			return told
		}
		fmt.Fprintln(a.out, "\nPosthorn stays up and prints the callbacks that come; stop it with Ctrl-C.")
		first.printing.Store(true)
		<-ctx.Done()
		return nil
	})
	to.atEnd("receiver", shop.Close)
	return to.run()
}

// prepareDemo adds the rule, the endpoint and free ports to the configuration,
// and starts the receiver that plays the shop.
func prepareDemo(cfg *config.Config, first *firstCall) (*receiver.Server, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	secret := "whsec_" + base64.StdEncoding.EncodeToString(key)
	shop, err := receiver.Start("127.0.0.1:0", receiver.Config{Secrets: []string{secret}, OnCall: first.called})
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, errors.Join(err, shop.Close())
	}
	rules := filepath.Join(cfg.Data, "rules.yaml")
	if err := os.WriteFile(rules, []byte(demoRule), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("writing example rule: %w", err), shop.Close())
	}
	cfg.Rules = []string{rules}
	cfg.Endpoints = []config.Endpoint{{Name: "shop", URL: shop.URL(), Secret: config.Secret{Inline: secret}, AllowPrivate: true}}
	const free = "127.0.0.1:0"
	cfg.Kafka.Listen, cfg.Registry.Listen, cfg.Gateway.Listen, cfg.API.Listen = free, free, free, free
	cfg.ClickHouse.Listen, cfg.ClickHouse.SQLListen = free, free
	cfg.Analytics.MXLookup = false // its addresses are made up
	return shop, nil
}

// firstCall notes when the first callback came, and prints those after the
// story.
type firstCall struct {
	began    time.Time
	out      io.Writer
	once     sync.Once
	came     chan struct{}
	after    time.Duration
	printing atomic.Bool
}

func newFirstCall(began time.Time, out io.Writer) *firstCall {
	return &firstCall{began: began, out: out, came: make(chan struct{})}
}

func (f *firstCall) called(c receiver.Call) {
	f.once.Do(func() {
		f.after = time.Since(f.began)
		close(f.came)
	})
	if f.printing.Load() {
		fmt.Fprintf(f.out, "callback %s: rule %s, %s, %d ms after the webhook\n", c.ID, c.Rule, c.Recipient, c.At.Sub(c.ArrivedAt).Milliseconds())
	}
}

type demo struct {
	*app
	up      *up
	shop    *receiver.Server
	first   *firstCall
	options demoOptions
}

func (d *demo) tell(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.options.timeout)
	defer cancel()
	if err := d.up.waitReady(ctx); err != nil {
		_, components := d.up.health.Ready()
		return fmt.Errorf("waiting until everything is ready: %w: %+v", err, components)
	}
	d.up.welcome(d.out)
	fmt.Fprintf(d.out, "\nThe rule:\n%s\n", demoRule)

	truth, err := d.post(ctx)
	if err != nil {
		return err
	}
	posted := time.Now()
	if err := d.waitForCalls(ctx, truth.Triggers()); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "all callbacks were received %.1f s after the last webhook\n", time.Since(posted).Seconds())

	// Verifying waits for every stage and the sink: what follows is complete.
	report, err := d.report(ctx, d.up.cfg, verifyOptions{timeout: d.options.timeout})
	if err != nil {
		return err
	}
	found, err := d.count(ctx)
	if err != nil {
		return err
	}
	d.story(d.out, truth, found, report.Occurrences-report.Checks[0].Expected)
	fmt.Fprintln(d.out)
	if err := d.printCampaigns(ctx, d.up.cfg, 20); err != nil {
		return err
	}
	fmt.Fprintln(d.out, "\nposthorn verify, everything recomputed from the webhooks:")
	report.Print(d.out)
	if err := d.curl(d.out); err != nil {
		return err
	}
	select {
	case <-d.first.came:
		fmt.Fprintf(d.out, "RESULT first_trigger %.1f s\n", d.first.after.Seconds())
	default:
		return errors.New("no callback was received")
	}
	if s := d.shop.Stats(); report.Differences() > 0 || s.BadSignatures > 0 || s.Unique != truth.Triggers() {
		return errors.New("the numbers do not agree: see above")
	}
	return nil
}

func (d *demo) post(ctx context.Context) (*simulate.Truth, error) {
	main, err := sourceURL(d.up.cfg, 0)
	if err != nil {
		return nil, err
	}
	backup, err := sourceURL(d.up.cfg, 1)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	truth, err := d.simulate(ctx, simulateOptions{url: main, backup: backup, events: d.options.events, campaigns: 3, seed: 1, connections: 16}, time.Now())
	if err != nil {
		return nil, err
	}
	seconds := time.Since(began).Seconds()
	fmt.Fprintf(d.out, "posted %d events in %d webhooks in %.1f s (%.0f events/s)\n", truth.Events, truth.Bodies, seconds, float64(truth.Events)/seconds)
	return truth, nil
}

// waitForCalls waits until the receiver has taken as many calls as must come.
func (d *demo) waitForCalls(ctx context.Context, want int64) error {
	bar := d.bar(want, "callbacks")
	defer func() { _ = bar.Finish() }()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		s := d.shop.Stats()
		_ = bar.Set64(min(s.Unique, want))
		if s.Unique >= want {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d callbacks came: %w", s.Unique, want, ctx.Err())
		case <-tick.C:
		}
	}
}

// found are the numbers that Posthorn has derived.
type found struct {
	Messages, Delivered, Opened, Within24h, MachinesOnly, HumanWithin24h uint64
}

const countMessages = `
SELECT
    count(),
    countIf(outcome = 'delivered'),
    countIf(first_opened_at IS NOT NULL),
    countIf(first_opened_at <= sent_at + INTERVAL 24 HOUR),
    countIf(first_opened_at <= sent_at + INTERVAL 24 HOUR AND NOT ifNull(first_human_opened_at <= sent_at + INTERVAL 24 HOUR, false)),
    countIf(first_human_opened_at <= sent_at + INTERVAL 24 HOUR)
FROM messages FINAL`

func (d *demo) count(ctx context.Context) (f found, err error) {
	conn, err := analytics.Open(ctx, d.up.cfg.ClickHouse.DSN)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	err = conn.QueryRow(ctx, countMessages).Scan(&f.Messages, &f.Delivered, &f.Opened, &f.Within24h, &f.MachinesOnly, &f.HumanWithin24h)
	if err != nil {
		return f, fmt.Errorf("counting messages: %w", err)
	}
	return f, nil
}

func (d *demo) story(w io.Writer, t *simulate.Truth, f found, repeated int64) {
	s := d.shop.Stats()
	fmt.Fprintf(w, `
The story in numbers
  %8d messages were sent, %d of them arrived
  %8d were opened
  %8d were opened within 24 hours of the send
  %8d of these by machines alone: no discount
  %8d by people: each gets one discount
  %8d callbacks came, each once, with a signature the shop has verified (%d bad)
  %8d events were reported more than once, in %d repeated webhooks: not counted again
  %8d webhooks could not be read: kept in posthorn.rejected
  %8d discounts would have gone out by calling the shop for every open webhook
`, f.Messages, f.Delivered, f.Opened, f.Within24h, f.MachinesOnly, f.HumanWithin24h,
		s.Unique, s.BadSignatures, repeated, t.RepeatedBodies, t.MalformedBodies, t.NaiveCallbacks)
}

// curl prints the line with which readers fire a trigger of their own.
func (d *demo) curl(w io.Writer) error {
	text, err := sourceURL(d.up.cfg, 0)
	if err != nil {
		return err
	}
	u, err := url.Parse(text)
	if err != nil {
		return err
	}
	user := u.User.String()
	u.User = nil
	fmt.Fprintf(w, `
Fire a trigger of your own: a message sent just now, and its open.
  now=$(date +%%s); curl -s -u %s %s -d '[
    {"event":"sent","time":'$now',"MessageID":'$now',"email":"you@example.org","mj_campaign_id":1,"customcampaign":"mine"},
    {"event":"open","time":'$now',"MessageID":'$now',"email":"you@example.org","mj_campaign_id":1,"customcampaign":"mine","agent":"Thunderbird"}]'

`, user, u)
	return nil
}
