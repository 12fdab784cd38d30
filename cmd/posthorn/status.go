package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/verify"
	"github.com/posthorn/posthorn/schemas"
)

type statusOptions struct {
	at          []string
	tasks, json bool
	every       time.Duration
}

func (a *app) statusCommand() *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use: "status", Short: "Print how the stages and the sink are doing", Args: cobra.NoArgs,
		Long: `Asks Kafka how far each stage and the sink of the live generation have come, and
the processes that run them for their tasks, frontier, commits and last error.
Beside "posthorn up" it finds the process by itself; of services that run
elsewhere, name the metrics addresses with --at.

Behind is the age of the record processed last, where there is a lag. The
frontier is the arrival time up to which everything was processed; timers fire
on it. The exit code is 1 if anything is not ready, or could not be asked.`,
		Example: `  posthorn status
  posthorn status --tasks --every 2s
  posthorn status --brokers kafka:9092 --at processor-0:8091,processor-1:8091,analytics:8090`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd)
			if err != nil {
				return err
			}
			if len(cfg.Kafka.Brokers) == 0 {
				return &config.FieldError{Field: "kafka.brokers", Problem: "is missing, and no posthorn up has left its address in " + cfg.Data,
					Remedy: "set it, POSTHORN_KAFKA_BROKERS or --brokers"}
			}
			return a.status(cmd.Context(), cfg, o)
		},
	}
	config.AddFlags(cmd.Flags(), "brokers", "api", "metrics", "data")
	f := cmd.Flags()
	f.StringSliceVar(&o.at, "at", nil, "metrics or API addresses of the processes to ask, host:port (default those of the configuration)")
	f.BoolVar(&o.tasks, "tasks", false, "a line for every task")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.DurationVar(&o.every, "every", 0, "print again and again, so far apart")
	return cmd
}

func (a *app) status(ctx context.Context, cfg *config.Config, o statusOptions) error {
	log, err := a.logger(cfg)
	if err != nil {
		return err
	}
	for {
		r, err := askStatus(ctx, kafkaConfig(cfg, log), cfg, o.at)
		if err != nil {
			return err
		}
		if o.json {
			e := json.NewEncoder(a.out)
			e.SetIndent("", "  ")
			err = e.Encode(r)
		} else {
			r.print(a.out, time.Now(), o.tasks)
		}
		if err != nil {
			return err
		}
		if o.every <= 0 {
			if !r.ready() {
				return errSilent
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(o.every):
		}
	}
}

// statusReport is what posthorn status found out.
type statusReport struct {
	Generation schemas.Generation `json:"generation"`
	Groups     []groupLag         `json:"groups"`
	Processes  []askedProcess     `json:"processes"`
}

// groupLag is how far a consumer group is, by Kafka.
type groupLag struct {
	Group string `json:"group"`
	Topic string `json:"topic"`
	// Lag is the number of offsets not processed yet; -1 where nothing was ever
	// committed.
	Lag int64 `json:"lag_records"`
}

type askedProcess struct {
	At string `json:"at"`
	processStatus
	Error string `json:"error,omitempty"`
}

func (r *statusReport) ready() bool {
	ok := len(r.Processes) > 0
	for _, p := range r.Processes {
		ok = ok && p.Error == ""
		for _, s := range p.Stages {
			ok = ok && s.Ready
		}
		if p.Sink != nil {
			for _, l := range p.Sink.Lanes {
				ok = ok && l.Error == "" && !l.Stuck
			}
		}
	}
	return ok
}

// askTimeout bounds each question.
const askTimeout = 10 * time.Second

func askStatus(ctx context.Context, kc kafka.Config, cfg *config.Config, at []string) (*statusReport, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*askTimeout)
	defer cancel()
	live, err := generation.Read(ctx, kc)
	if err != nil {
		return nil, err
	}
	r := &statusReport{Generation: live.Generation}
	if r.Groups, err = groupLags(ctx, kc, live.Generation); err != nil {
		return nil, err
	}
	if len(at) > 0 {
		for _, address := range at {
			p, err := askProcess(ctx, address)
			if err != nil {
				p.Error = err.Error()
			}
			r.Processes = append(r.Processes, p)
		}
		return r, nil
	}
	// Of the addresses of the configuration not all need be in use.
	for _, address := range []string{cfg.API.Listen, cfg.Metrics.Listen} {
		if p, err := askProcess(ctx, address); err == nil {
			r.Processes = append(r.Processes, p)
		}
	}
	return r, nil
}

func askProcess(ctx context.Context, address string) (askedProcess, error) {
	p := askedProcess{At: address}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/status", nil)
	if err != nil {
		return p, fmt.Errorf("asking %s: %w", address, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return p, fmt.Errorf("asking %s: %w", address, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return p, fmt.Errorf("asking %s: it answers %s", address, resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 16<<20)).Decode(&p.processStatus); err != nil {
		return p, fmt.Errorf("reading the status of %s: %w", address, err)
	}
	return p, nil
}

// groupLags asks how far the stages and the sink are.
func groupLags(ctx context.Context, kc kafka.Config, g schemas.Generation) ([]groupLag, error) {
	admin, closeAdmin, err := kafka.NewAdmin(kc)
	if err != nil {
		return nil, err
	}
	defer closeAdmin()
	var list []groupLag
	for _, s := range verify.Steps(g) {
		list = append(list, groupLag{Group: s.Group, Topic: s.Topic})
	}
	stages := len(list)
	groups, err := admin.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing groups: %w", err)
	}
	for _, name := range groups.Groups() {
		// A sink's group is named after its topic and lane.
		rest, ok := strings.CutPrefix(name, "posthorn-sink.")
		i := strings.LastIndexByte(rest, '.')
		if !ok || i < 0 {
			continue
		}
		topic := rest[:i]
		if base, _ := schemas.SplitTopic(topic); g.Topic(base) == topic {
			list = append(list, groupLag{Group: name, Topic: topic})
		}
	}
	slices.SortFunc(list[stages:], func(a, b groupLag) int { return strings.Compare(a.Group, b.Group) })
	for i := range list {
		if list[i].Lag, err = lagOf(ctx, admin, list[i].Group, list[i].Topic); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func lagOf(ctx context.Context, admin *kadm.Client, group, topic string) (int64, error) {
	committed, err := admin.FetchOffsets(ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return -1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("asking for the offsets of group %s: %w", group, err)
	}
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err = errors.Join(err, starts.Error()); err != nil {
		return 0, fmt.Errorf("asking for the start of %s: %w", topic, err)
	}
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err = errors.Join(err, ends.Error()); err != nil {
		return 0, fmt.Errorf("asking for the end of %s: %w", topic, err)
	}
	var lag int64
	ends.Each(func(end kadm.ListedOffset) {
		start, _ := starts.Lookup(topic, end.Partition)
		from := start.Offset
		if at, ok := committed.Lookup(topic, end.Partition); ok {
			from = max(from, at.At)
		}
		lag += max(0, end.Offset-from)
	})
	return lag, nil
}
