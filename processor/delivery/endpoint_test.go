package delivery

import (
	"strings"
	"testing"
	"time"
)

func TestEndpointErrorsNameFieldAndRemedy(t *testing.T) {
	good := Endpoint{Name: "shop", URL: "https://shop.example.com/hook", Secrets: []string{testSecret}}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Endpoint)
		want   []string
	}{
		"no name":      {func(e *Endpoint) { e.Name = "" }, []string{"name: missing"}},
		"no url":       {func(e *Endpoint) { e.URL = "" }, []string{`"shop": url: missing`, "https"}},
		"bad url":      {func(e *Endpoint) { e.URL = "https://u:geheim@a b/%zz" }, []string{"url: is not a URL"}},
		"no host":      {func(e *Endpoint) { e.URL = "https:///x" }, []string{"url: has no host"}},
		"ftp":          {func(e *Endpoint) { e.URL = "ftp://a.example" }, []string{`url: scheme "ftp"`}},
		"plain http":   {func(e *Endpoint) { e.URL = "http://a.example" }, []string{"url: http", "allow_private"}},
		"fragment":     {func(e *Endpoint) { e.URL += "#x" }, []string{"url: has a fragment"}},
		"no secret":    {func(e *Endpoint) { e.Secrets = nil }, []string{"secret: 0 given"}},
		"bad secret":   {func(e *Endpoint) { e.Secrets = []string{"geheim"} }, []string{"secret: does not begin with whsec_"}},
		"three":        {func(e *Endpoint) { e.Secrets = []string{testSecret, testSecret, testSecret} }, []string{"secret: 3 given"}},
		"concurrency":  {func(e *Endpoint) { e.Concurrency = -1 }, []string{"concurrency: -1"}},
		"rate":         {func(e *Endpoint) { e.Rate = -2 }, []string{"rate: -2", "calls a second"}},
		"several at a": {func(e *Endpoint) { e.URL, e.Secrets = "", nil }, []string{"url:", "secret:"}},
	} {
		e := good
		c.change(&e)
		err := e.Validate()
		for _, w := range c.want {
			if err == nil || !strings.Contains(err.Error(), w) || strings.Contains(err.Error(), "geheim") {
				t.Errorf("%s: %v, want %q", name, err, w)
			}
		}
	}
	_, err := New(Config{Serde: serde, Endpoints: []Endpoint{good, good}})
	if err == nil || !strings.Contains(err.Error(), "used twice") {
		t.Errorf("same name twice: %v", err)
	}
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"": 0, "nonsense": 0, "-5": 0, "0": 0, "120": 2 * time.Minute,
		"999999999": maxRetryAfter, "9223372036854775807": maxRetryAfter,
		"Mon, 23 Nov 2026 12:01:00 GMT": time.Minute, "Mon, 23 Nov 2020 12:01:00 GMT": 0,
		"Mon, 23 Nov 2099 12:01:00 GMT": maxRetryAfter,
	} {
		if got := parseRetryAfter(in, now); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func FuzzParsePending(f *testing.F) {
	f.Add((&pending{attempts: 3, due: time.Unix(1_700_000_000, 0), trigger: []byte("trigger")}).append(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePending(b)
		if err != nil {
			return
		}
		again, err := parsePending(p.append(nil))
		if err != nil || again.attempts != p.attempts || !again.due.Equal(p.due) || string(again.trigger) != string(p.trigger) {
			t.Errorf("%+v, then %+v, %v", p, again, err)
		}
	})
}
