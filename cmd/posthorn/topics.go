package main

import (
	"fmt"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/schemas"
)

func (a *app) topicsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "topics", Short: "Create, check or print the topics",
		Example: `  posthorn topics print --partitions 48 --replication 3
  posthorn topics create --brokers kafka:9092 --registry http://registry:8081 --partitions 48 --replication 3`,
	}
	create := &cobra.Command{
		Use: "create", Short: "Create the topics that are missing, check the others, register the schemas", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd, config.NeedKafka)
			if err != nil {
				return err
			}
			log, err := a.logger(cfg)
			if err != nil {
				return err
			}
			if err := ensureTopics(cmd.Context(), cfg, kafkaConfig(cfg, log)); err != nil {
				return err
			}
			if _, err := register(cmd.Context(), cfg); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "%d topics are there, and their schemas are registered\n", len(catalogue(cfg)))
			return nil
		},
	}
	show := &cobra.Command{
		Use: "print", Short: "Print the catalogue", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd)
			if err != nil {
				return err
			}
			t := table.NewWriter()
			t.SetOutputMirror(a.out)
			t.SetStyle(table.StyleLight)
			t.AppendHeader(table.Row{"Topic", "Key", "Holds", "Kept", "For"})
			for _, topic := range catalogue(cfg) {
				t.AppendRow(topicRow(topic))
			}
			t.Render()
			fmt.Fprintf(a.out, "%d partitions and %d replicas each\n", cfg.Kafka.Partitions, cfg.Kafka.Replication)
			return nil
		},
	}
	config.AddFlags(create.Flags(), "brokers", "registry", "partitions", "replication", "data")
	config.AddFlags(show.Flags(), "partitions", "replication", "data")
	cmd.AddCommand(create, show)
	return cmd
}

func topicRow(t schemas.Topic) table.Row {
	kept := "latest of each key"
	if !t.Compacted {
		kept = fmt.Sprintf("%d days", int(t.Retention.Hours()/24))
	}
	return table.Row{t.Name, t.Key, t.Value, kept, t.Doc}
}
