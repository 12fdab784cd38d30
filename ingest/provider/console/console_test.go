package console

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/schemas"
)

// credentials are those of a source of a provider in one way.
func credentials(t *testing.T, name string, way Way) provider.Credentials {
	t.Helper()
	c := consoles[name]
	creds := provider.Credentials{URL: "https://hooks.example.com/v1/webhooks/" + name}
	if c.Topics {
		creds.Topics = []string{"arn:aws:sns:eu-west-1:123456789012:mail"}
	}
	switch way {
	case Basic:
		creds.Username, creds.Passwords = "user", []string{NewPassword()}
		return creds
	case Header:
		creds.Header = c.Header
	case Signature:
		if c.Topics {
			return creds
		}
	}
	switch {
	case name == "sendgrid": // the public key of the documentation's example
		creds.Keys = []string{"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="}
	case name == "resend":
		creds.Keys = []string{newWhsec()}
	case c.NewKey != nil:
		creds.Keys = []string{c.NewKey()}
	default:
		creds.Keys = []string{NewKey()}
	}
	return creds
}

func TestEveryProviderHasAConsole(t *testing.T) {
	for _, name := range provider.Names() {
		c, ok := Of(name)
		if !ok {
			t.Errorf("%s: nothing says what to set in its console: add it to consoles", name)
			continue
		}
		if len(c.Ways) == 0 || c.sample == nil || c.steps == nil {
			t.Errorf("%s: no ways, steps or sample", name)
			continue
		}
		for _, way := range c.Ways {
			s := Setup{
				Name: "shop", URL: "https://hooks.example.com/v1/webhooks/shop", Paste: "https://hooks.example.com/v1/webhooks/shop", Way: way, Username: "shop", Password: "the-password",
				Header: c.Header, Key: "the-key", KeyFile: "shop.key", Topics: []string{"arn:aws:sns:eu-west-1:1:mail"},
			}
			steps := c.Steps(s)
			if len(steps) == 0 || slices.Contains(steps, "") {
				t.Errorf("%s, %s: steps %q", name, way, steps)
			}
			text := strings.Join(steps, "\n")
			if strings.Contains(text, "%!") || strings.Contains(text, "  ") {
				t.Errorf("%s, %s: %s", name, way, text)
			}
			// What the provider must be told stands in the steps.
			switch {
			case way == Bearer && name != "native" && !strings.Contains(text, "the-key"),
				way == Header && c.Signs == "" && !strings.Contains(text, c.Header),
				way == Signature && !c.Topics && !strings.Contains(text, "shop.key"),
				c.Topics && !strings.Contains(text, s.Topics[0]):
				t.Errorf("%s, %s: something is not told:\n%s", name, way, text)
			}
		}
	}
}

// TestSamplesAreTaken verifies and decodes a sample of each provider in each way
// with the code of the gateway.
func TestSamplesAreTaken(t *testing.T) {
	now := time.Now()
	for _, name := range provider.Names() {
		p, _ := provider.ByName(name)
		for _, way := range consoles[name].Ways {
			t.Run(name+"/"+string(way), func(t *testing.T) {
				creds := credentials(t, name, way)
				v, err := p.Verifier(creds)
				if err != nil {
					t.Fatal(err)
				}
				s := consoles[name].NewSample(creds, now)
				r, err := s.Request(t.Context(), creds.URL)
				if err != nil {
					t.Fatal(err)
				}
				shown, err := v.Verify(r, s.Body, now)
				if s.Unsigned != "" {
					var refused *provider.AuthError
					if !errors.As(err, &refused) {
						t.Errorf("an unsigned sample is not refused: %v", err)
					}
				} else if err != nil || shown.Scheme == provider.SchemeNone {
					t.Errorf("verified by %q: %v", shown.Scheme, err)
				}
				check(t, p, creds, s, now)
			})
		}
	}
}

// check decodes a sample and that of another moment.
func check(t *testing.T, p provider.Provider, creds provider.Credentials, s Sample, now time.Time) {
	t.Helper()
	var ids []schemas.ID
	for _, s := range []Sample{s, consoles[p.Name()].NewSample(creds, now)} {
		w := &schemas.Webhook{Provider: p.Name(), ContentType: s.Header.Get("Content-Type"), Headers: map[string]string{}, Body: s.Body}
		for name := range s.Header {
			w.Headers[strings.ToLower(name)] = s.Header.Get(name)
		}
		p.Decode(w, func(_ int, ev *schemas.Event, err error) {
			switch {
			case err != nil:
				t.Errorf("%v in %s", err, s.Body)
			case ev.Recipient != SampleRecipient || ev.Type != schemas.EventTypeDelivered || ev.MessageID == "" || ev.OccurredAt.Time().Unix() != now.Unix():
				t.Errorf("%+v of %s", ev, s.Body)
			case ev.CampaignID != SampleCampaign && ev.CampaignName != SampleCampaign && !slices.ContainsFunc(append(ev.Tags, ev.Metadata["campaign"]), func(s string) bool { return strings.Contains(s, SampleCampaign) }):
				t.Errorf("the sample does not say that it is one: %s", s.Body)
			default:
				ids = append(ids, ev.EventID)
			}
		})
	}
	if len(ids) != 2 || ids[0] == ids[1] {
		t.Errorf("events %v, want two different ones", ids)
	}
}

func TestWrongSecretsAreNotTaken(t *testing.T) {
	now := time.Now()
	for _, name := range provider.Names() {
		p, _ := provider.ByName(name)
		for _, way := range consoles[name].Ways {
			creds, other := credentials(t, name, way), credentials(t, name, way)
			v, err := p.Verifier(creds)
			if err != nil {
				t.Fatal(err)
			}
			s := consoles[name].NewSample(other, now)
			r, err := s.Request(t.Context(), creds.URL)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := v.Verify(r, s.Body, now); err == nil {
				t.Errorf("%s, %s: a sample signed with another secret is taken", name, way)
			}
		}
	}
}

func TestRequestHasHeadersAndBody(t *testing.T) {
	creds := credentials(t, "mailjet", Basic)
	s := consoles["mailjet"].NewSample(creds, time.Now())
	r, err := s.Request(t.Context(), "http://127.0.0.1:1/v1/webhooks/x")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	user, password, _ := r.BasicAuth()
	if err != nil || string(body) != string(s.Body) || r.Method != http.MethodPost || user != "user" || password != creds.Passwords[0] {
		t.Errorf("%s %q %s:%s %v", r.Method, body, user, password, err)
	}
}

func TestWayOfASource(t *testing.T) {
	key := []string{"k"}
	for _, c := range []struct {
		name  string
		creds provider.Credentials
		want  string
	}{
		{"mailjet", provider.Credentials{Username: "u"}, "Basic authentication"},
		{"mailjet", provider.Credentials{}, "nothing: open to everybody"},
		{"brevo", provider.Credentials{Keys: key}, "bearer token"},
		{"postmark", provider.Credentials{Keys: key, Header: "X-Key", Username: "u"}, "header X-Key and Basic authentication"},
		{"json", provider.Credentials{Keys: key, Header: "X-Sig"}, "HMAC-SHA256 in X-Sig"},
		{"sendgrid", provider.Credentials{Keys: key, Username: "u"}, "ECDSA signature and Basic authentication"},
		{"ses", provider.Credentials{}, "Amazon SNS signature"},
	} {
		if got := WayOf(c.name, c.creds); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestGeneratedSecrets(t *testing.T) {
	if a, b := NewPassword(), NewPassword(); len(a) != 32 || a == b {
		t.Errorf("%s, %s", a, b)
	}
	if a, b := NewKey(), NewKey(); len(a) != 64 || a == b {
		t.Errorf("%s, %s", a, b)
	}
	if a, b := newWhsec(), newWhsec(); len(a) != len("whsec_")+44 || a == b {
		t.Errorf("%s, %s", a, b)
	}
}
