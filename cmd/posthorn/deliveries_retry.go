package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/controls"
	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/internal/redeliver"
	"github.com/posthorn/posthorn/schemas"
)

type retryOptions struct {
	failed         bool
	since, until   string
	endpoint, rule string
	limit          int
	yes, force     bool
}

func (a *app) deliveriesRetryCommand() *cobra.Command {
	var o retryOptions
	cmd := &cobra.Command{
		Use: "retry [ID...]", Short: "Make calls again that failed",
		Long: `Has calls made again: those of the triggers named, or with --failed all whose last
attempt failed and that no further attempt is due for; of these it says how many,
and asks unless --yes is given. The calls bear the same webhook-id, and if they fail again
they are tried again by the whole schedule. A call that waits for its next
attempt is made at once. The triggers are read from Kafka, which keeps them for
30 days.`,
		Example: `  posthorn deliveries retry 5f1c0b2e-5f1c-0b2e-5f1c-0b2e5f1c0b2e
  posthorn deliveries retry --failed --since 1h --endpoint shop`,
		RunE: func(cmd *cobra.Command, ids []string) error {
			if o.failed == (len(ids) > 0) {
				return errors.New("name triggers by their ids, or those that failed with --failed: posthorn deliveries --failed lists them")
			}
			cfg, err := a.load(cmd, config.NeedKafka)
			if err != nil {
				return err
			}
			return a.retry(cmd.Context(), cfg, ids, o)
		},
	}
	config.AddFlags(cmd.Flags(), "brokers", "registry", "data")
	f := cmd.Flags()
	f.BoolVar(&o.failed, "failed", false, "all calls that failed for good")
	f.StringVar(&o.since, "since", "24h", "that failed since a time, or for how long: 2026-01-31T15:04:05Z, 1h, 7d")
	f.StringVar(&o.until, "until", "", "that failed until a time, likewise")
	f.StringVar(&o.endpoint, "endpoint", "", "to this endpoint")
	f.StringVar(&o.rule, "rule", "", "of this rule")
	f.IntVar(&o.limit, "limit", 0, "at most so many, those that failed first; 0: as many as there may be, 20000")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&o.force, "force", false, "also calls that succeeded")
	return cmd
}

func (a *app) retry(ctx context.Context, cfg *config.Config, ids []string, o retryOptions) error {
	serde, err := register(ctx, cfg)
	if err != nil {
		return err
	}
	live, err := generation.Read(ctx, a.quietKafka(cfg))
	if err != nil {
		return err
	}
	f := &redeliver.Finder{Kafka: a.quietKafka(cfg), Serde: serde, Generation: live.Generation}
	var calls []*redeliver.Call
	if o.failed {
		calls, err = a.findFailed(ctx, f, o)
	} else {
		calls, err = findNamed(ctx, f, ids, o.force)
	}
	if err != nil || len(calls) == 0 {
		return err
	}
	if lost := lostCalls(calls); lost > 0 {
		fmt.Fprintf(a.out, "%s can't be made: Kafka keeps the trigger no more.\n", numberOfCalls(lost))
		if lost == len(calls) {
			return errSilent
		}
	}
	if o.failed && !o.yes && !a.confirmed("Make them again?") {
		return errors.New("nothing is done; --yes does not ask")
	}
	asked, err := f.Ask(ctx, calls, controls.Caller(), time.Now().UTC())
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "Asked for %s; what comes of it: posthorn deliveries tail\n", numberOfCalls(asked))
	if before := len(calls) - lostCalls(calls) - asked; before > 0 {
		fmt.Fprintf(a.out, "Asked for before, and not begun: %s.\n", numberOfCalls(before))
	}
	return nil
}

func numberOfCalls(n int) string {
	if n == 1 {
		return "1 call"
	}
	return fmt.Sprint(n, " calls")
}

func lostCalls(calls []*redeliver.Call) (n int) {
	for _, c := range calls {
		if !c.Found() {
			n++
		}
	}
	return n
}

func (a *app) findFailed(ctx context.Context, f *redeliver.Finder, o retryOptions) ([]*redeliver.Call, error) {
	want := redeliver.Filter{Endpoint: o.endpoint, Rule: o.rule, Limit: o.limit}
	var err error
	if want.Since, err = parseMoment(o.since, time.Now()); err != nil {
		return nil, fmt.Errorf("--since: %w", err)
	}
	if want.Until, err = parseMoment(o.until, time.Now()); err != nil {
		return nil, fmt.Errorf("--until: %w", err)
	}
	calls, more, err := f.Failed(ctx, want)
	if err != nil {
		return nil, err
	}
	if len(calls) == 0 {
		fmt.Fprintln(a.out, "No calls failed as asked for.")
		return nil, nil
	}
	of := ""
	if more {
		of = ", the first of more,"
	}
	fmt.Fprintf(a.out, "%s%s failed: %s\n", numberOfCalls(len(calls)), of, groups(calls))
	return calls, nil
}

// groups counts calls by endpoint and rule, the most first.
func groups(calls []*redeliver.Call) string {
	count := map[string]int{}
	for _, c := range calls {
		count[c.Last.Endpoint+" for "+c.Last.Rule]++
	}
	names := slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		if n := count[b] - count[a]; n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	var parts []string
	for i, name := range names {
		if i == 5 {
			parts = append(parts, fmt.Sprintf("and %d others", len(names)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%d to %s", count[name], name))
	}
	return strings.Join(parts, ", ")
}

// findNamed finds calls by ids; all must be there.
func findNamed(ctx context.Context, f *redeliver.Finder, texts []string, force bool) ([]*redeliver.Call, error) {
	var ids []schemas.ID
	for _, text := range texts {
		id, err := schemas.ParseID(text)
		if err != nil {
			return nil, fmt.Errorf("%q is no id of a trigger: %w", text, err)
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	calls, err := f.ByID(ctx, ids...)
	if err != nil {
		return nil, err
	}
	var errs []error
	for i, c := range calls {
		switch {
		case c == nil:
			errs = append(errs, fmt.Errorf("no call was made for trigger %s in the last 30 days", ids[i]))
		case c.Last.Status == schemas.DeliveryStatusSucceeded && !force:
			errs = append(errs, fmt.Errorf("the call for trigger %s succeeded, and its receiver may pass over the same webhook-id: --force makes it again", ids[i]))
		}
	}
	return calls, errors.Join(errs...)
}

// confirmed asks a person.
func (a *app) confirmed(question string) bool {
	fmt.Fprintf(a.out, "%s [y/N] ", question)
	line, _ := bufio.NewReader(a.in).ReadString('\n') // no answer is no
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}
