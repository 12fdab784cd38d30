package main

import (
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/gateways"
	"github.com/posthorn/posthorn/internal/kafka"
)

func (a *app) gatewaysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "gateways", Short: "List the gateways that hold the arrival frontier, or forget one", Args: cobra.NoArgs,
		Long: `A gateway with a spool tells the stages up to when nothing waits in it. While
webhooks do, or while it can't reach Kafka, or was killed, rules that wait for
time to pass ("no open in 48 hours") wait for it. One that will not come back
must be forgotten.`,
		Example: `  posthorn gateways
  posthorn gateways forget 4c0b8a0e-4f0d-4a4b-9a80-5b1a1f0f7a11`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.listGateways(cmd) },
	}
	forget := &cobra.Command{
		Use: "forget ID", Short: "Do not wait for a gateway any more", Args: cobra.ExactArgs(1),
		Long: `What waits in its spool arrives late, should it return: a rule may then have
concluded that nothing came.`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.forgetGateway(cmd, args[0]) },
	}
	config.AddFlags(cmd.PersistentFlags(), "brokers", "data")
	cmd.AddCommand(forget)
	return cmd
}

func (a *app) gateways(cmd *cobra.Command) (kafka.Config, []gateways.Gateway, error) {
	cfg, err := a.load(cmd, config.NeedKafka)
	if err != nil {
		return kafka.Config{}, nil, err
	}
	log, err := a.logger(cfg)
	if err != nil {
		return kafka.Config{}, nil, err
	}
	k := kafkaConfig(cfg, log)
	list, err := gateways.Read(cmd.Context(), k, log)
	return k, list, err
}

func (a *app) listGateways(cmd *cobra.Command) error {
	_, list, err := a.gateways(cmd)
	if err != nil {
		return err
	}
	t := table.NewWriter()
	t.SetOutputMirror(a.out)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"Gateway", "Host", "Spool empty until", "Behind"})
	for _, g := range list {
		if g.Left {
			continue
		}
		until := g.Until.Time()
		t.AppendRow(table.Row{g.ID, g.Host, until.Format(time.RFC3339), max(0, time.Since(until)).Round(time.Second)})
	}
	if t.Length() == 0 {
		fmt.Fprintln(a.out, "no gateway with a spool: nothing holds the arrival frontier")
		return nil
	}
	t.Render()
	return nil
}

func (a *app) forgetGateway(cmd *cobra.Command, id string) error {
	k, list, err := a.gateways(cmd)
	if err != nil {
		return err
	}
	for _, g := range list {
		if g.ID != id || g.Left {
			continue
		}
		producer, err := kafka.NewProducer(k)
		if err != nil {
			return err
		}
		defer producer.Close()
		if err := gateways.Forget(cmd.Context(), producer, g); err != nil {
			return err
		}
		fmt.Fprintf(a.out, "gateway %s is not waited for any more\n", id)
		return nil
	}
	return fmt.Errorf("there is no gateway %q; posthorn gateways lists them", id)
}
