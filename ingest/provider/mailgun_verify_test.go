package provider

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func mailgunSign(key, timestamp, token string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(timestamp + token))
	return hex.EncodeToString(mac.Sum(nil))
}

func mailgunSigned(timestamp, token, signature string) string {
	return `{"signature":{"timestamp":"` + timestamp + `","token":"` + token + `","signature":"` + signature + `"},"event-data":` + mailgunEvent("opened", "") + `}`
}

func TestMailgunVerify(t *testing.T) {
	const stamp, token = "1772359200", "50e8c3"
	signed := time.Unix(1772359200, 0)
	right := mailgunSign("secret", stamp, token)
	v, err := Mailgun{}.Verifier(Credentials{Keys: []string{"secret", " older\n"}})
	if err != nil || !v.SignsBody() {
		t.Fatalf("%v, %v", v, err)
	}
	fields := []string{"event", "opened", "timestamp", stamp, "token", token, "signature", right}
	own := append([]string{"token", "own", "signature", "own", "timestamp", "own"}, fields...)
	kind, parts := inParts(t, own...)
	for _, c := range []struct {
		name, contentType, body string
		late                    time.Duration
		ok                      bool
	}{
		{"right", "application/json", mailgunSigned(stamp, token, right), 0, true},
		{"by the second key", "application/json", mailgunSigned(stamp, token, mailgunSign("older", stamp, token)), 0, true},
		{"for the account of a subaccount", "application/json", strings.Replace(mailgunSigned(stamp, token, mailgunSign("its own", stamp, token)), `"token"`, `"parent-signature":"`+right+`","token"`, 1), 0, true},
		{"upper case", "application/json", mailgunSigned(stamp, token, strings.ToUpper(right)), 0, true},
		{"numeric time", "application/json", strings.Replace(mailgunSigned(stamp, token, right), `"`+stamp+`"`, stamp, 1), 0, true},
		{"form", formType, urlEncoded(fields...), 0, true},
		{"form with own data of these names", formType, urlEncoded(own...), 0, true},
		{"parts", kind, parts, 0, true},
		{"form as JSON", "application/json", asObject(t, fields...), 0, true},
		{"the last retry", "application/json", mailgunSigned(stamp, token, right), 8*time.Hour + 30*time.Minute, true},
		{"a clock that is behind", "application/json", mailgunSigned(stamp, token, right), -4 * time.Minute, true},

		{"too old", "application/json", mailgunSigned(stamp, token, right), 9*time.Hour + time.Second, false},
		{"of tomorrow", "application/json", mailgunSigned(stamp, token, right), -6 * time.Minute, false},
		{"another key", "application/json", mailgunSigned(stamp, token, mailgunSign("secre", stamp, token)), 0, false},
		{"another token", "application/json", mailgunSigned(stamp, token+"0", right), 0, false},
		{"another time", "application/json", mailgunSigned("1772359201", token, right), 0, false},
		{"time and token cut elsewhere", "application/json", mailgunSigned("177235920", "0"+token, right), 0, false},
		{"and the other way", "application/json", mailgunSigned(stamp+"5", token[1:], right), 0, false},
		{"no time in it", "application/json", mailgunSigned("soon", token, mailgunSign("secret", "soon", token)), 0, false},
		{"no signature", "application/json", mailgunEvent("opened", ""), 0, false},
		{"empty signature", "application/json", mailgunSigned(stamp, token, ""), 0, false},
		{"signature that is none", "application/json", mailgunSigned(stamp, token, "zz"), 0, false},
		{"half a signature", "application/json", mailgunSigned(stamp, token, right[:32]), 0, false},
		{"no token", "application/json", mailgunSigned(stamp, "", mailgunSign("secret", stamp, "")), 0, false},
		{"long token", "application/json", mailgunSigned(stamp, strings.Repeat("a", 300), mailgunSign("secret", stamp, strings.Repeat("a", 300))), 0, false},
		{"null", "application/json", `{"signature":null}`, 0, false},
		{"list", "application/json", "[" + mailgunSigned(stamp, token, right) + "]", 0, false},
		{"no JSON", "application/json", "{", 0, false},
		{"no form", formType, "", 0, false},
		{"form without them", formType, "event=opened", 0, false},
	} {
		shown, err := v.Verify(&http.Request{Header: http.Header{"Content-Type": {c.contentType}}}, []byte(c.body), signed.Add(c.late))
		var refused *AuthError
		switch {
		case c.ok && (err != nil || shown != Verified{Scheme: SchemeMailgun, Token: stamp + token, Until: signed.Add(9 * time.Hour)}):
			t.Errorf("%s: %+v, %v", c.name, shown, err)
		case !c.ok && (!errors.As(err, &refused) || shown != Verified{}):
			t.Errorf("%s: %+v, %v, want an AuthError", c.name, shown, err)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: the error tells a secret: %v", c.name, err)
		}
	}
}

func TestMailgunCredentials(t *testing.T) {
	for _, c := range []struct {
		c    Credentials
		want string // scheme without a signature; else the field that is wrong
	}{
		{Credentials{}, SchemeNone},
		{Credentials{Keys: []string{"k", ""}}, "key"},
		{Credentials{Keys: []string{"k"}, Passwords: []string{"p"}}, "username"},
	} {
		v, err := Mailgun{}.Verifier(c.c)
		var wrong *CredentialError
		if errors.As(err, &wrong) {
			if wrong.Field != c.want {
				t.Errorf("%+v: %v", c.c, err)
			}
			continue
		}
		if shown, err := v.Verify(&http.Request{}, nil, time.Now()); err != nil || shown.Scheme != c.want {
			t.Errorf("%+v: %+v, %v", c.c, shown, err)
		}
	}
	v, err := Mailgun{}.Verifier(Credentials{Keys: []string{"k"}, Username: "u", Passwords: []string{"p"}})
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(mailgunSigned("1772359200", "t", mailgunSign("k", "1772359200", "t")))
	r := &http.Request{Header: http.Header{}}
	if _, err := v.Verify(r, body, time.Unix(1772359200, 0)); err == nil {
		t.Error("signed, but without the password: taken")
	}
	r.SetBasicAuth("u", "p")
	if _, err := v.Verify(r, body, time.Unix(1772359200, 0)); err != nil {
		t.Error(err)
	}
}

func TestMailgunVector(t *testing.T) {
	type signature struct{ Timestamp, Token, Signature string }
	var vector struct {
		Key       string `json:"signing_key"`
		Good, Bad signature
	}
	if err := json.Unmarshal([]byte(samples(t, "_signatures")["mailgun.json"]), &vector); err != nil {
		t.Fatal(err)
	}
	v, err := Mailgun{}.Verifier(Credentials{Keys: []string{vector.Key}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []signature{vector.Good, vector.Bad} {
		_, err := v.Verify(&http.Request{}, []byte(mailgunSigned(s.Timestamp, s.Token, s.Signature)), time.Unix(1403645220, 0))
		if (err == nil) != (s == vector.Good) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

// TestMailgunSignedSamples: the published samples are signed with a key that is known.
func TestMailgunSignedSamples(t *testing.T) {
	v, err := Mailgun{}.Verifier(Credentials{Keys: []string{"TEST_WEBHOOK_SIGNING_KEY"}})
	if err != nil {
		t.Fatal(err)
	}
	for file, body := range samples(t, "mailgun") {
		if file == "docs_opened_bot_apple.json" {
			continue // The event alone.
		}
		s, err := readMailgunSignature("application/json", []byte(body))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var seconds int64
		if _, err := fmt.Sscan(s.timestamp, &seconds); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(&http.Request{Header: http.Header{"Content-Type": {"application/json"}}}, []byte(body), time.Unix(seconds, 0)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func FuzzMailgunVerify(f *testing.F) {
	f.Add("secret", "application/json", []byte(mailgunSigned("1772359200", "t", mailgunSign("secret", "1772359200", "t"))))
	f.Add("\xff", formType, []byte("timestamp=1772359200&token=t&signature=00"))
	f.Fuzz(func(t *testing.T, key, contentType string, body []byte) {
		v, err := Mailgun{}.Verifier(Credentials{Keys: []string{key}})
		if err != nil {
			return
		}
		shown, err := v.Verify(&http.Request{Header: http.Header{"Content-Type": {contentType}}}, body, time.Unix(1772359200, 0))
		if (err == nil) == (shown == Verified{}) {
			t.Fatalf("%+v, %v", shown, err)
		}
	})
}
