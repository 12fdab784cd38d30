package schemas_test

import (
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

func TestIntact(t *testing.T) {
	const check = 0xe3069283 // of "123456789", as every catalogue of CRCs has it
	for _, tt := range []struct {
		body string
		sum  int64
		want bool
	}{
		{"123456789", check, true},
		{"123456788", check, false},
		{"123456789", 0, false},
		{"", 0, true},
		{"123456789", -1, true},
	} {
		if got := (&schemas.Webhook{Body: []byte(tt.body), CRC32C: tt.sum}).Intact(); got != tt.want {
			t.Errorf("%q with %#x is intact: %t", tt.body, tt.sum, got)
		}
	}
}
