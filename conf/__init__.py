"""The presets; installed as the package `hpt_spark_conf`, so that `--conf NAME` finds them everywhere."""
