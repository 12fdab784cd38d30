package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/config"
)

// migrateOptions are the flags of migrate.
type migrateOptions struct {
	pending, print bool
	cluster        string
}

func (a *app) migrateCommand() *cobra.Command {
	var o migrateOptions
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring ClickHouse's tables up to date", Args: cobra.NoArgs,
		Long: `Applies the migrations that ClickHouse has not seen yet. The services refuse to
start on pending ones. --pending only lists them; the exit code is 1 if there
are any. --print writes the SQL of all of them, as it is executed, and needs no
ClickHouse.

With --cluster, or clickhouse.cluster, the tables are made on all nodes of that
cluster: replicated by Keeper, by the servers' macros {shard} and {replica}. The
sink writes the tables NAME_local of each shard, and NAME reads all shards.`,
		Example: `  posthorn migrate --clickhouse clickhouse://default:secret@clickhouse:9000/posthorn
  posthorn migrate --print --cluster mail`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var needs []config.Need
			if !o.print {
				needs = append(needs, config.NeedClickHouse)
			}
			cfg, err := a.load(cmd, needs...)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("cluster") {
				cfg.ClickHouse.Cluster = o.cluster
			}
			return a.migrate(cmd.Context(), cfg, o)
		},
	}
	config.AddFlags(cmd.Flags(), "clickhouse", "data")
	f := cmd.Flags()
	f.BoolVar(&o.pending, "pending", false, "list what would be applied")
	f.BoolVar(&o.print, "print", false, "write the SQL of all migrations")
	f.StringVar(&o.cluster, "cluster", "", "cluster of ClickHouse over which the tables are spread")
	cmd.MarkFlagsMutuallyExclusive("pending", "print")
	return cmd
}

func (a *app) migrate(ctx context.Context, cfg *config.Config, o migrateOptions) error {
	tables := layout(cfg)
	if o.print {
		text, err := tables.SQL()
		fmt.Fprint(a.out, text)
		return err
	}
	conn, err := tables.Open(ctx, cfg.ClickHouse.DSN)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	list := tables.Migrate
	if o.pending {
		list = analytics.Pending
	}
	migrations, err := list(ctx, conn)
	for _, m := range migrations {
		fmt.Fprintln(a.out, m.Name)
	}
	if err == nil && o.pending && len(migrations) > 0 {
		return errSilent
	}
	return err
}

// layout is how the tables stand in ClickHouse.
func layout(cfg *config.Config) analytics.Layout {
	return analytics.Layout{Cluster: cfg.ClickHouse.Cluster}
}
