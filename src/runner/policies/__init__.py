"""AdaShare's mathematics: policies, regularisers, what blocks cost."""
