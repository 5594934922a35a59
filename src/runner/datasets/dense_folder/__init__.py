"""Pictures of one's own with dense labels."""

from runner.datasets.dense_folder.dataset import DenseFolder as DenseFolder
