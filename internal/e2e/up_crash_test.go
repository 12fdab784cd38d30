package e2e

import (
	"errors"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/internal/simulate"
)

// upKills is how often the whole all-in-one is killed.
const upKills = 6

var (
	// unclean is what a start after a kill says, settled what follows once all
	// was mended, or found to be whole.
	unclean = regexp.MustCompile(`msg="the last stop was not an orderly one`)
	settled = regexp.MustCompile(`msg="(verified|rebuilt) after an unclean stop`)
)

// TestUpKilled kills the whole all-in-one again and again in the middle of its
// work, broker and database included, while a provider posts. Whatever that has
// torn it mends by itself; and so that there is something to mend in every run,
// an event is doubled before one of the kills.
func TestUpKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	a := startUp(t)
	a.rng = rand.New(rand.NewPCG(1, 0x7570))
	enough := make(chan struct{})
	posted := make(chan []*simulate.Truth, 1)
	go func() {
		var truths []*simulate.Truth
		defer func() { posted <- truths }()
		for seed := uint64(1); ; seed++ {
			truth, err := a.campaign(t.Context(), seed, 5_000, 1000)
			if err != nil {
				t.Errorf("posting: %v", err)
				return
			}
			truths = append(truths, truth)
			select {
			case <-enough:
				return
			default:
			}
		}
	}()
	for kill := range upKills {
		a.pass(3 * time.Second)
		if kill == upKills/2 {
			damage(t, a.brokers)
		}
		a.kill(a.up)
		a.up.launch()
		for a.rng.IntN(3) == 0 { // a second time, on its way
			a.pass(2 * time.Second)
			a.kill(a.up)
			a.up.launch()
		}
		a.ready(2 * time.Minute)
	}
	close(enough)
	eventually(t, 5*time.Minute, "waiting until what was torn is mended", a.mended)
	truths := <-posted
	a.exact(truths...)
	s, log := a.shop.Stats(), string(a.up.output())
	t.Logf("%d kills, %d campaigns, %d callbacks, %d of them again; %q", a.kills, len(truths), s.Unique, s.Duplicates,
		regexp.MustCompile(`has torn.*`).FindAllString(log, -1))
	if !strings.Contains(log, "rebuilt after an unclean stop") {
		t.Error("the doubled event led to no rebuild")
	}
}

// mended tells whether the last start after a kill has settled.
func (a *allInOne) mended() error {
	log := a.up.output()
	last := func(r *regexp.Regexp) int {
		all := r.FindAllIndex(log, -1)
		if len(all) == 0 {
			return -1
		}
		return all[len(all)-1][0]
	}
	if last(settled) < last(unclean) {
		return errors.New("nothing was said of it")
	}
	return nil
}
