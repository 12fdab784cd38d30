package config

import (
	"errors"
	"strings"
	"testing"
)

var added = Source{Name: "shop", Provider: "mailjet", Username: "shop", Password: Secret{File: "shop.password"}}

const addedBlock = `- name: shop
  provider: mailjet
  username: shop
  password: {file: shop.password}
`

func block(indent string) string {
	return indent + strings.ReplaceAll(strings.TrimSuffix(addedBlock, "\n"), "\n", "\n"+indent) + "\n"
}

func TestAddSourceLeavesTheRestAsItIs(t *testing.T) {
	const flow = "{name: shop, provider: mailjet, username: shop, password: {file: shop.password}}"
	for name, c := range map[string]struct{ before, after string }{
		"nothing":       {"", "sources:\n" + block("  ")},
		"comment alone": {"# mine\n", "# mine\nsources:\n" + block("  ")},
		"no sources": {
			"# ours\ntenant: acme   # the only one\n\n\nlog: {level: debug}",
			"# ours\ntenant: acme   # the only one\n\n\nlog: {level: debug}\nsources:\n" + block("  "),
		},
		"key alone": {"sources: # soon\ntenant: acme\n", "sources: # soon\n" + block("  ") + "tenant: acme\n"},
		"in the middle": {
			"sources:\n  # main\n  - {name: a, provider: mailjet} # one\n\n  # for later\n\n# rules\nrules: [r.yaml]\n",
			"sources:\n  # main\n  - {name: a, provider: mailjet} # one\n" + block("  ") + "\n  # for later\n\n# rules\nrules: [r.yaml]\n",
		},
		"no indent, no end of line": {
			"sources:\n- name: a\n  provider: mailjet",
			"sources:\n- name: a\n  provider: mailjet\n" + block(""),
		},
		"a key of many lines": {
			"sources:\n    - name: a\n      provider: sendgrid\n      key: |\n        -----BEGIN\n\n        # no comment\n        -----END\n\ntenant: acme\n",
			"sources:\n    - name: a\n      provider: sendgrid\n      key: |\n        -----BEGIN\n\n        # no comment\n        -----END\n" + block("    ") + "\ntenant: acme\n",
		},
		"dash alone": {
			"sources:\n  -\n    name: a\n    provider: mailjet\nrules: []\n",
			"sources:\n  -\n    name: a\n    provider: mailjet\n" + block("  ") + "rules: []\n",
		},
		"empty brackets": {"sources: []\ntenant: acme\n", "sources: [" + flow + "]\ntenant: acme\n"},
		"brackets": {
			"sources: [{name: a, provider: mailjet, username: \"x]\\\"\", password: 'it''s ]'}] # all\nrules: []\n",
			"sources: [{name: a, provider: mailjet, username: \"x]\\\"\", password: 'it''s ]'}, " + flow + "] # all\nrules: []\n",
		},
		"brackets over lines": {
			"sources: [\n  {name: a, provider: mailjet}, # ] no end\n]\n",
			"",
		},
		"a comma at the end": {
			"sources: [\n  {name: a, provider: mailjet},\n]\n",
			"sources: [\n  {name: a, provider: mailjet}, " + flow + "\n]\n",
		},
	} {
		got, err := AddSource([]byte(c.before), added)
		if c.after == "" { // not possible, and said so
			if !errors.Is(err, ErrByHand) {
				t.Errorf("%s: %v\n%s", name, err, got)
			}
			continue
		}
		if err != nil || string(got) != c.after {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, got, c.after)
		}
	}
}

func TestAddSourceRefusesWhatItCantWrite(t *testing.T) {
	for name, text := range map[string]string{
		"one line":    "{tenant: acme}",
		"no list":     "sources: {name: a}\n",
		"two files":   "tenant: a\n---\ntenant: b\n",
		"alias":       "x: &a [{name: b}]\nsources: *a\n",
		"no YAML":     "sources: [\n",
		"unknown key": "tennant: a\n",
	} {
		if got, err := AddSource([]byte(text), added); err == nil {
			t.Errorf("%s: taken:\n%s", name, got)
		}
	}
	inline := added
	inline.Password = Secret{Inline: "topsecret"}
	if _, err := AddSource(nil, inline); err == nil || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("a secret as text: %v", err)
	}
}

func TestSourceYAMLHasEveryField(t *testing.T) {
	s := Source{
		Name: "n", Provider: "json", Account: "a", URL: "https://h/x: y", Username: "u", Password: Secret{Env: "P"}, Key: Secret{File: "k f"},
		Header: "X-Sig", Topics: []string{"arn:aws:sns:eu-west-1:1:t", "second"},
	}
	if _, err := AddSource([]byte("sources:\n- {name: a, provider: json}\n"), s); err != nil { // it reads back and compares
		t.Error(err)
	}
	if _, err := AddSource([]byte("sources: [{name: a, provider: json}]\n"), s); err != nil {
		t.Error(err)
	}
}

func TestParseSecret(t *testing.T) {
	for _, s := range []Secret{{Env: "NAME"}, {File: "a/b:c"}} {
		if got, err := ParseSecret(s.String()); err != nil || got != s {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, text := range []string{"", "env:", "file:", "topsecret", "pass:word"} {
		if _, err := ParseSecret(text); err == nil || strings.Contains(err.Error(), "topsecret") || strings.Contains(err.Error(), "word") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzAddSource adds to any text. What comes out is compared by AddSource itself;
// here it must be the lines that were there, in their order.
func FuzzAddSource(f *testing.F) {
	for _, text := range []string{
		"", "sources:\n- {name: a}\n", "sources: &x\n  - {name: a}\n", "sources: !!seq\n- name: a\n", "sources:\n  # c\n  - - a\n", "sources: [{name: 'it''s'}, ] # x\n",
		"\ufeffsources:\r\n- name: a\r\n", "? sources\n: - name: a\n", "---\nsources: []\n...\n", "sources: &x []\n", "sources:\n\t- name: a\n", "{sources: []}", "\"sources\":\n- name: a\n",
		"sources:\n  - name: |\n     a\n\n  # b\nrules: []",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out, err := AddSource([]byte(text), added)
		if err != nil {
			return
		}
		rest := string(out)
		for word := range strings.FieldsSeq(text) {
			word = strings.TrimRight(word, ",]}")
			at := strings.Index(rest, word)
			if at < 0 {
				t.Fatalf("%q is lost from\n%s\nin\n%s", word, text, out)
			}
			rest = rest[at+len(word):]
		}
	})
}
