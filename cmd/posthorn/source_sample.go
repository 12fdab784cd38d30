package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/ingest/provider/console"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/schemas"
)

type sampleOptions struct {
	url     string
	timeout time.Duration
}

func (a *app) sourceTestCommand() *cobra.Command {
	var o sampleOptions
	cmd := &cobra.Command{
		Use: "test NAME", Short: "Post a signed sample to a source, and wait for its event", Args: cobra.ExactArgs(1),
		Long: `Posts a sample webhook to the running gateway, as the provider would and signed
with the source's secret, and where Kafka is configured waits until its event is
in posthorn.events. It tells of one delivery to ` + console.SampleRecipient + `, an
address that nobody can have, and is labelled ` + console.SampleCampaign + `: as a campaign
where the provider has campaigns, else as a tag, and then it counts as a message
without one. Rules that fire on a delivery alone fire on it too.

SendGrid and Amazon SNS sign with keys that only they have. For these the sample is
unsigned, and must be refused: that shows that the gateway knows the source and
checks signatures, not that it has the right key.`,
		Example: "  posthorn source test shop\n  posthorn source test shop --url https://hooks.example.com --brokers kafka:9092 --registry http://registry:8081",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, s, err := a.readSource(cmd, args[0])
			if err != nil {
				return err
			}
			return a.testSource(cmd.Context(), cfg, s, o)
		},
	}
	config.AddFlags(cmd.Flags(), "data", "listen", "brokers", "registry")
	cmd.Flags().StringVar(&o.url, "url", "", "gateway to post to, such as https://hooks.example.com (default: that of the running posthorn)")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 30*time.Second, "how long to wait for the event")
	return cmd
}

// postTimeout is longer than the gateway waits for Kafka.
const postTimeout = 30 * time.Second

func (a *app) testSource(ctx context.Context, cfg *config.Config, s config.Source, o sampleOptions) error {
	c, ok := console.Of(s.Provider)
	if !ok {
		return fmt.Errorf("source %s: there is no sample of provider %q", s.Name, s.Provider)
	}
	creds, err := credentials(s)
	if err != nil {
		return err
	}
	to, err := sampleURL(cfg, s, o.url)
	if err != nil {
		return err
	}
	sample := c.NewSample(creds, time.Now())
	var events *arrivals
	if sample.Unsigned == "" && len(cfg.Kafka.Brokers) > 0 {
		if events, err = a.watchEvents(ctx, cfg); err != nil {
			fmt.Fprintf(a.out, "Kafka can't be asked, so the event is not waited for: %v\n", err)
		} else {
			defer events.close()
		}
	}
	answer, err := post(ctx, sample, to)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "Posted a sample of %s (one delivery to %s) to %s: %s\n", s.Provider, console.SampleRecipient, redacted(to), answer.status)
	if sample.Unsigned != "" {
		return a.judgeUnsigned(s, sample, answer)
	}
	id, err := answer.webhook(s)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "The gateway has stored it as webhook %s.\n", id)
	if len(creds.Keys) == 0 && s.Username == "" {
		fmt.Fprintln(a.out, "Nothing is configured that shows that webhooks are the provider's own: this source is open to everybody.")
	}
	if events == nil {
		if len(cfg.Kafka.Brokers) == 0 {
			fmt.Fprintln(a.out, "No Kafka is configured here, so the event is not waited for: --brokers and --registry, or --data of a running posthorn, name it.")
		}
		return nil
	}
	return a.showEvent(ctx, events, id, o.timeout)
}

// sampleURL is where the sample is posted to.
func sampleURL(cfg *config.Config, s config.Source, given string) (string, error) {
	if given == "" {
		return "http://" + cfg.Gateway.Listen + webhooksPath + s.Name, nil
	}
	u, err := url.Parse(given)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", errors.New("--url: is no address of a gateway: write such as --url http://127.0.0.1:8080")
	}
	u.User = nil // the sample brings its own
	if !strings.HasSuffix(u.Path, webhooksPath+s.Name) {
		u = u.JoinPath(webhooksPath, s.Name)
	}
	return u.String(), nil
}

func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the gateway"
	}
	return u.Redacted()
}

// answer is what the gateway says.
type answer struct {
	code    int
	status  string
	body    []byte
	problem struct{ Type, Title, Detail string }
}

const problemType = "urn:posthorn:problem:"

func post(ctx context.Context, s console.Sample, to string) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	req, err := s.Request(ctx, to)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Prefer", "return=representation") // the webhook's id
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("nothing listens at %s: is the gateway running (posthorn up, or posthorn ingest)? --url names another address", redacted(to))
	case err != nil:
		return nil, fmt.Errorf("the gateway does not answer; --url names another address: %w", err)
	}
	defer resp.Body.Close()
	a := &answer{code: resp.StatusCode, status: resp.Status}
	if a.body, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20)); err != nil {
		return nil, fmt.Errorf("reading the gateway's answer: %w", err)
	}
	_ = json.Unmarshal(a.body, &a.problem) // what is no problem of ours stays empty
	return a, nil
}

// webhook returns the id under which the gateway has stored the sample, or says
// why it has not. A provider's own statuses (406, 429) say less than the problem.
func (r *answer) webhook(s config.Source) (id schemas.ID, err error) {
	var stored struct {
		WebhookID *schemas.ID `json:"webhook_id"`
	}
	if r.code == http.StatusOK && json.Unmarshal(r.body, &stored) == nil && stored.WebhookID != nil {
		return *stored.WebhookID, nil
	}
	slug, ours := strings.CutPrefix(r.problem.Type, problemType)
	what := r.problem.Title + ": " + r.problem.Detail
	switch {
	case !ours:
		return id, fmt.Errorf("that is no answer of Posthorn's gateway: does the address lead to it, and through nothing that answers itself? It begins with %.80q", r.body)
	case slug == "unknown-source":
		return id, fmt.Errorf("the gateway does not know the source %s: it reads its configuration when it starts, so restart it; or it has another file (%s)", s.Name, what)
	case slug == "unauthorized":
		return id, fmt.Errorf("the gateway does not take the source's secret: it has another one than this configuration, so restart it, or compare the two (%s)", what)
	case slug == "disabled":
		return id, fmt.Errorf("the source is disabled in the gateway's configuration (%s)", what)
	case r.code == http.StatusServiceUnavailable || r.code == http.StatusTooManyRequests:
		return id, fmt.Errorf("the gateway could not store it, and would be sent it again; /readyz tells what is wrong (%s)", what)
	}
	return id, fmt.Errorf("the gateway refuses it: %s", what)
}

// judgeUnsigned judges the answer to a sample that must be refused.
func (a *app) judgeUnsigned(s config.Source, sample console.Sample, r *answer) error {
	fmt.Fprintf(a.out, "It was not signed: %s.\n", sample.Unsigned)
	if id, err := r.webhook(s); err == nil {
		return fmt.Errorf("the gateway has stored it all the same, as webhook %s: it has another configuration than this one, which requires a signature; restart it", id)
	} else if r.problem.Type != problemType+"unauthorized" {
		return err
	}
	fmt.Fprintf(a.out, "It was refused, as it must be (%s).\n", r.problem.Detail)
	fmt.Fprintln(a.out, "That shows that the gateway is reached, knows the source, and takes nothing unsigned.")
	fmt.Fprintln(a.out, "It does not show that what the provider signs is taken: "+askProvider(s.Provider))
	return nil
}

// askProvider says how the provider itself posts something signed.
func askProvider(name string) string {
	switch name {
	case "sendgrid":
		return "for that, let SendGrid post: Mail Settings, Event Webhooks, the webhook, Test Integration."
	case "ses":
		return "for that, send to success@simulator.amazonses.com with the configuration set."
	}
	return "for that, let the provider post one."
}
