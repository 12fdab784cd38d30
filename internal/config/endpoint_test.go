package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/schemas"
)

const validSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// written loads a configuration whose endpoints are as given.
func written(t *testing.T, endpoints string) (*Config, error) {
	t.Helper()
	return LoadText(filepath.Join(t.TempDir(), "posthorn.yaml"), []byte("endpoints:\n"+endpoints), nil)
}

func TestEndpointErrors(t *testing.T) {
	keys := "mailjet: {public_key: p, private_key: s, "
	for _, tt := range []struct{ name, yaml, field, problem string }{
		{"unknown action", `- {name: e, action: mailjet, url: "https://x"}`, "endpoints[0].action", "callback, mailjet_send, mailjet_list"},
		{"mailjet of a callback", `- {name: e, url: "https://x", secret: ` + validSecret + `, ` + keys + `}}`, "endpoints[0].mailjet", "set action"},
		{"send without keys", `- {name: e, action: mailjet_send}`, "endpoints[0].mailjet", "is missing"},
		{"send with one key", `- {name: e, action: mailjet_send, mailjet: {public_key: p, template_id: 1}}`, "endpoints[0].mailjet.private_key", "is missing"},
		{"send without template", `- {name: e, action: mailjet_send, ` + keys + `}}`, "endpoints[0].mailjet.template_id", "is missing"},
		{"list without list", `- {name: e, action: mailjet_list, ` + keys + `}}`, "endpoints[0].mailjet.list_id", "is missing"},
		{"send with a url", `- {name: e, action: mailjet_send, url: "https://x", ` + keys + `template_id: 1}}`, "endpoints[0]", "are of callbacks"},
		{"key that is not set", `- {name: e, action: mailjet_send, mailjet: {public_key: {env: POSTHORN_TEST_NOT_SET}, private_key: s, template_id: 1}}`, "endpoints[0].mailjet.public_key", "is not set"},
		{"header that is not set", `- {name: e, url: "https://x", secret: ` + validSecret + `, headers: {X-Key: {env: POSTHORN_TEST_NOT_SET}}}`, "endpoints[0].headers.X-Key", "is not set"},
		{"empty header", `- {name: e, url: "https://x", secret: ` + validSecret + `, headers: {X-Key: ""}}`, "endpoints[0].headers.X-Key", "is empty"},
		{"previous secret", `- {name: e, url: "https://x", secret: ` + validSecret + `, previous_secret: x}`, "endpoints[0].previous_secret", "whsec_"},
		{"concurrency", `- {name: e, url: "https://x", secret: ` + validSecret + `, concurrency: -1}`, "endpoints[0].concurrency", "out of range"},
		{"rate", `- {name: e, url: "https://x", secret: ` + validSecret + `, rate: -1}`, "endpoints[0].rate", "calls a second"},
		{"name in a template", `- {name: e, url: "https://x", secret: ` + validSecret + `, template: {a: ["{{.recipient.adress}}"]}}`, "endpoints[0].template.a[0]", "adress"},
		{"template of a list", `- {name: e, url: "https://x", secret: ` + validSecret + `, template: ["{{.x"]}`, "endpoints[0].template[0]", "unclosed"},
		{"variables", `- {name: e, action: mailjet_send, ` + keys + `template_id: 1, variables: {v: "{{.nothing}}"}}}`, "endpoints[0].mailjet.variables.v", "nothing"},
		{"missing file", `- {name: e, url: "https://x", secret: ` + validSecret + `, template: nowhere.yaml}`, "endpoints[0].template", "nowhere.yaml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := written(t, tt.yaml)
			if err != nil {
				t.Fatal(err)
			}
			found := problems(c.Validate())
			if !strings.Contains(found[tt.field], tt.problem) {
				t.Errorf("%v, want %s: %s", found, tt.field, tt.problem)
			}
			delete(found, tt.field)
			if len(found) > 0 {
				t.Errorf("and %v", found)
			}
		})
	}
}

func TestTemplateInAFile(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"good.yaml": "email: '{{.recipient.address}}'\ncode: SALE\n", "good.json": `{"email": "{{.recipient.address}}", "n": 2}`,
		"bad.yaml": "a:\n  b: '{{.nothing}}'\n", "broken.yaml": "a: [",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trigger := &schemas.Trigger{Recipient: "anna@example.org", OccurredAt: schemas.FromTime(time.Unix(1, 0))}
	for name, want := range map[string]string{
		"good.yaml": `{"code":"SALE","email":"anna@example.org"}`, "good.json": `{"email":"anna@example.org","n":2}`,
		"bad.yaml": "bad.yaml: a.b: ", "broken.yaml": "broken.yaml: ",
	} {
		c, err := LoadText(filepath.Join(dir, "posthorn.yaml"), []byte("endpoints: [{name: e, url: 'https://x', secret: "+validSecret+", template: "+name+"}]"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if problem := problems(c.Validate())["endpoints[0].template"]; strings.HasPrefix(name, "b") {
			if !strings.Contains(problem, want) {
				t.Errorf("%s: %s", name, problem)
			}
			continue
		}
		tmpl, err := c.Endpoints[0].Template.Template()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tmpl.Body(trigger); string(got) != want || err != nil {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

// What is printed means the same when it is read again, and shows no secret.
func TestPrintedEndpoints(t *testing.T) {
	t.Setenv("POSTHORN_TEST_SECRET", "topsecret")
	c, err := written(t, `
  - {name: shop, url: "https://u:topsecret@shop.example/x?token=topsecret&b=topsecret", secret: `+validSecret+`, headers: {Authorization: {env: POSTHORN_TEST_SECRET}, X-Key: topsecret}, template: {email: "{{.recipient.address}}", n: 3}}
  - {name: mail, action: mailjet_send, mailjet: {public_key: topsecret, private_key: {env: POSTHORN_TEST_SECRET}, template_id: 7, from: {email: a@b.example}, variables: {x: "{{.rule}}"}}}
`)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := c.Print(&out); err != nil || strings.Contains(out.String(), "topsecret") || strings.Contains(out.String(), validSecret) {
		t.Fatalf("%v\n%s", err, out.String())
	}
	again, err := LoadText("again.yaml", out.Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if e := again.Endpoints[0]; e.Headers["Authorization"] != (Secret{Env: "POSTHORN_TEST_SECRET"}) || e.Template.IsZero() {
		t.Errorf("%+v", e)
	}
	if m := again.Endpoints[1].Mailjet; m.TemplateID != 7 || m.From.Email != "a@b.example" || m.Variables.IsZero() || m.PrivateKey.Env == "" {
		t.Errorf("%+v", m)
	}
	if got, err := c.Endpoints[0].Secrets(); err != nil || len(got) != 1 {
		t.Errorf("%d secrets, %v", len(got), err)
	}
}
