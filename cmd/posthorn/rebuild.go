package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/internal/rebuild"
	"github.com/posthorn/posthorn/internal/verify"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

type rebuildOptions struct {
	verifyOptions
	loseHistory, resume, noSwitch, drop bool
}

func (a *app) rebuildCommand() *cobra.Command {
	var o rebuildOptions
	cmd := &cobra.Command{
		Use: "rebuild", Short: "Derive everything again from the webhooks, compare, and switch", Args: cobra.NoArgs,
		Long: `Derives a new generation of every topic and table from posthorn.webhooks, beside
the live one, which goes on. When it has caught up, both are verified against the
webhooks; if the new one agrees with them it goes live: running processes move
over by themselves, and the tables' names stand for the new ones. Callbacks that
were made are not made again.

Until the switch nothing that is live is touched: stop it at any time. The
generation before stays until --drop or the next rebuild. The exit code is 1 if
there was a difference and hence no switch.

It runs the stages in this process, with the rules and the recipient secret of
its own configuration: give it the processors' one. In the data directory of a
processor their state is there when that takes over; another processor restores
it from the changelogs.`,
		Example: `  posthorn rebuild
  posthorn rebuild --no-switch     derive and compare only
  posthorn rebuild --resume        go on with what was begun, and switch
  posthorn rebuild --drop          remove every generation but the live one`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd, config.NeedKafka, config.NeedRecipientSecret)
			if err != nil {
				return err
			}
			if o.drop {
				return a.dropGenerations(cmd.Context(), cfg)
			}
			return a.rebuild(cmd.Context(), cfg, o)
		},
	}
	config.AddFlags(cmd.Flags(), "brokers", "registry", "clickhouse", "rules", "tenant", "data", "log-level", "log-format")
	f := cmd.Flags()
	f.BoolVar(&o.noSwitch, "no-switch", false, "stop after the comparison; --resume goes on from there")
	f.BoolVar(&o.resume, "resume", false, "go on with the generation that was begun last")
	f.BoolVar(&o.loseHistory, "lose-history", false, "begin where the retained webhooks begin, without what only earlier ones told")
	f.BoolVar(&o.drop, "drop", false, "only remove the generations that are not live")
	f.DurationVar(&o.timeout, "timeout", 10*time.Minute, "how long to wait for the stages in the comparison")
	f.StringVar(&o.dir, "dir", "", "folder for temporary files")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no progress")
	cmd.MarkFlagsMutuallyExclusive("drop", "resume")
	cmd.MarkFlagsMutuallyExclusive("drop", "no-switch")
	return cmd
}

func (a *app) rebuild(ctx context.Context, cfg *config.Config, o rebuildOptions) error {
	log, err := a.logger(cfg)
	if err != nil {
		return err
	}
	n, err := newNode(ctx, cfg, log)
	if err != nil {
		return err
	}
	vc, closeConn, err := a.verifyConfig(ctx, cfg, n.serde, log, o.verifyOptions)
	if err != nil {
		return err
	}
	defer closeConn()
	rc := rebuild.Config{
		Verify: vc, Derive: n.deriveBeside(vc), By: whoAmI(), Progress: vc.Progress, Logger: log,
		LoseHistory: o.loseHistory, Resume: o.resume, NoSwitch: o.noSwitch,
	}
	res, err := rebuild.Run(ctx, rc)
	if lost := (*rebuild.HistoryError)(nil); errors.As(err, &lost) {
		return fmt.Errorf("%w; --lose-history rebuilds all the same", err)
	}
	if err != nil {
		return err
	}
	printRebuild(a.out, res, o.noSwitch)
	if res.NewReport.Differences() > 0 {
		return errSilent
	}
	return nil
}

func whoAmI() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("posthorn %s, process %d on %s", version(), os.Getpid(), host)
}

// deriveBeside returns what runs the stages and the sink of a generation that is
// not live.
func (n *node) deriveBeside(vc verify.Config) func(context.Context, schemas.Generation) error {
	return func(ctx context.Context, g schemas.Generation) error {
		// Never used again: whatever a predecessor has left open is fenced by the
		// group, or ends with its timeout.
		instance := "rebuild-" + uuid.NewString()
		places, err := places(n.cfg)
		if err != nil {
			return err
		}
		s := stages{node: n, secret: vc.Secret, rules: trigger.NewLive(vc.Rules), places: places, live: generation.Live{Generation: g}, beside: instance}
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		to := actorsUntil(ctx, n.log)
		for _, name := range generation.Stages {
			if err := s.add(ctx, to, name); err != nil {
				stop() // those added before close their state
				return errors.Join(err, to.run())
			}
		}
		if vc.ClickHouse != nil {
			topics := analytics.GenerationTopics(g)
			shards, err := layout(n.cfg).OpenShards(ctx, n.cfg.ClickHouse.DSN)
			if err != nil {
				stop()
				return errors.Join(err, to.run())
			}
			defer closeAll(shards)
			sink, err := analytics.NewSink(analytics.SinkConfig{
				Kafka: n.kafka, Serde: n.serde, Conn: vc.ClickHouse, Shards: shards, Generation: g,
				Topics: topics[:len(topics)-1], // the deliveries are the live sink's
				Logger: n.log,
			})
			if err != nil {
				stop()
				return errors.Join(err, to.run())
			}
			to.add("sink", sink.Run)
		}
		return to.run()
	}
}

// printRebuild says what was made, and how what was live differs from it: both
// were compared with the webhooks, and the new one agrees with them.
func printRebuild(w io.Writer, res *rebuild.Result, noSwitch bool) {
	if !res.Boundary.IsZero() {
		fmt.Fprintf(w, "Webhooks that arrived before %s are not retained: generation %d lacks what only they told.\n", res.Boundary.UTC().Format(time.RFC3339), res.New)
	}
	if res.LiveError != nil {
		fmt.Fprintf(w, "Generation %d, which is live, could not be verified: %v\n", res.Live, res.LiveError)
	} else {
		fmt.Fprintf(w, "Generation %d, which is live, against the webhooks:\n", res.Live)
		res.LiveReport.PrintChecks(w)
		fmt.Fprintf(w, "RESULT rebuild_live_differences %d rows\n", res.LiveReport.Differences())
	}
	fmt.Fprintf(w, "Generation %d, derived again, against the webhooks:\n", res.New)
	res.NewReport.PrintChecks(w)
	fmt.Fprintf(w, "RESULT rebuild_new_differences %d rows\n", res.NewReport.Differences())
	switch {
	case res.NewReport.Differences() > 0:
		fmt.Fprintf(w, "Generation %d differs: nothing was switched, generation %d stays live.\n", res.New, res.Live)
	case noSwitch:
		fmt.Fprintf(w, "Nothing was switched, as told. --resume goes on with generation %d, --drop removes it.\n", res.New)
	default:
		fmt.Fprintf(w, "Generation %d is live. Generation %d stays until --drop or the next rebuild.\n", res.New, res.Live)
	}
}

func (a *app) dropGenerations(ctx context.Context, cfg *config.Config) error {
	log, err := a.logger(cfg)
	if err != nil {
		return err
	}
	conn, closeConn, err := openConn(ctx, cfg)
	if err != nil {
		return err
	}
	defer closeConn()
	dropped, err := rebuild.Drop(ctx, kafkaConfig(cfg, log), conn)
	for _, g := range dropped {
		fmt.Fprintf(a.out, "generation %d is gone\n", g)
	}
	if err == nil && len(dropped) == 0 {
		fmt.Fprintln(a.out, "there is none but the live one")
	}
	return err
}
