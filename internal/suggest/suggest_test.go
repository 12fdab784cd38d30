package suggest_test

import (
	"testing"

	"github.com/posthorn/posthorn/internal/suggest"
)

func TestDidYouMean(t *testing.T) {
	known := []string{"opened", "clicked", "at", "once_per", "Spring"}
	for name, want := range map[string]string{
		"opned": "opened", "clikced": "clicked", "Opened": "opened", "onceper": "once_per", "spring": "Spring",
		"": "", "bounced": "", "xt": "at", "xy": "", "recipient": "",
	} {
		if want != "" {
			want = "did you mean " + want + "? "
		}
		if got := suggest.DidYouMean(name, known); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
