"""What other tools call things: their words, the keys that mean the same here, and what to say where there is none."""

import re
from collections.abc import Collection
from typing import NamedTuple


class Counterpart(NamedTuple):
    """Words of other tools -> the keys that may stand for them, best first; what to say where no option chosen has one."""

    words: str
    keys: str = ""
    otherwise: str = ""


RESUMES = "a run resumes by itself: type its command again and it goes on from its last checkpoint"
FOLDER = "hydra.run.dir=PATH is a run's folder, hydra.sweep.dir=PATH that of a sweep's runs"
RECORD = "every run writes metrics.jsonl, summary.json, run.log and figures/ in its folder"
DEVICES = (
    "device=cuda|cpu|auto says where a run computes; torchrun --nproc-per-node N -m runner ... is one run on N devices"
)

COUNTERPARTS = (
    Counterpart("lr base_lr init_lr initial_lr lr0 eta learn_rate max_lr", "method.learning_rate"),
    Counterpart(
        "backbone_lr encoder_lr lr_backbone",
        "method.backbone_learning_rate",
        "method.learning_rate is that of all weights",
    ),
    Counterpart("policy_lr alpha_lr arch_lr arch_learning_rate", "method.policy.learning_rate"),
    Counterpart(
        "epochs epoch max_epochs num_epochs n_epochs nepochs num_train_epochs total_epochs train_epochs",
        "method.epochs method.steps method.retrain_steps",
    ),
    Counterpart(
        "step steps max_steps num_steps n_steps train_steps total_steps iters iterations max_iters max_iter num_iters "
        "total_iters niter",
        "method.steps method.retrain_steps method.epochs",
    ),
    Counterpart(
        "batch bs batch_size batchsize train_batch_size train_bs per_device_train_batch_size global_batch_size mini_batch_size "
        "samples_per_gpu",
        "method.batch_size",
    ),
    Counterpart(
        "eval_batch_size val_batch_size test_batch_size per_device_eval_batch_size test_bs val_bs", "evaluation_batch"
    ),
    Counterpart("wd weight_decay decay l2 weightdecay", "method.weight_decay"),
    Counterpart("momentum mom beta beta1", "method.momentum", "the optimizer's moments are fixed for this method"),
    Counterpart(
        "optimizer optim opt optimiser optimizer_name solver",
        "method.optimizer method.search_optimizer",
        "this method's optimizer is fixed, as in its paper",
    ),
    Counterpart(
        "scheduler lr_scheduler lr_schedule schedule lr_policy sched",
        "method.decay_steps method.warmup_epochs",
        "this method's schedule is fixed, as in its paper",
    ),
    Counterpart("lr_step lr_decay_step step_size decay_step milestones", "method.decay_steps"),
    Counterpart("lr_decay gamma lr_gamma lr_factor", "method.decay_factor"),
    Counterpart(
        "warmup warmup_epochs warm_up warmup_steps num_warmup_steps warmup_iters",
        "method.warmup_epochs method.warmup_steps",
        "this method has no warm-up",
    ),
    Counterpart("label_smoothing smooth smoothing", "method.smoothing"),
    Counterpart("num_generations num_gen n_generations gens generation", "method.generations"),
    Counterpart("task_weights loss_weight lambdas weights_per_task task_loss_weights", "method.loss_weights"),
    Counterpart("temp tau gumbel_temperature init_temp", "method.policy.temperature"),
    Counterpart(
        "gpu gpus gpu_id gpu_ids cuda accelerator devices no_cuda use_cuda use_gpu num_gpus n_gpu", "device", DEVICES
    ),
    Counterpart(
        "num_workers workers n_workers num_threads nthreads n_threads cpus dataloader_num_workers n_jobs", "threads"
    ),
    Counterpart("amp fp16 bf16 half mixed_precision use_amp dtype autocast", "precision"),
    Counterpart("random_seed manual_seed rng rng_seed seeds global_seed", "seed"),
    Counterpart(
        "data data_dir data_root data_path dataroot datapath dataset_dir dataset_root dataset_path data_folder root path "
        "image_dir train_dir",
        "dataset.root",
        "this dataset is made by the runner; one that is read takes dataset=NAME dataset.root=PATH",
    ),
    Counterpart("dataset_name data_set task_name", "dataset"),
    Counterpart(
        "img_size image_size imsize input_size resolution crop_size size im_size", "dataset.size dataset.resolution"
    ),
    Counterpart("tasks task task_list", "dataset.tasks"),
    Counterpart("timesteps time_steps num_timesteps n_timesteps t n_steps_snn sim_steps", "model.steps dataset.steps"),
    Counterpart("arch architecture backbone net network model_name encoder model_arch model_type", "model"),
    Counterpart("drop drop_rate dropout_rate p_dropout", "model.dropout"),
    Counterpart("algorithm algo trainer mode approach strategy", "method"),
    Counterpart("config cfg config_file recipe exp config_path", "experiment"),
    Counterpart(
        "pretrained pretrain load_weights init_checkpoint finetune weights init_from pretrained_weights pretrained_model",
        "model.weights",
        "this model starts from weights drawn from the seed",
    ),
    Counterpart(
        "resume resume_from resume_from_checkpoint ckpt ckpt_path checkpoint checkpoint_path load_from restore load auto_resume "
        "resume_path load_checkpoint continue resume_training",
        "",
        RESUMES,
    ),
    Counterpart(
        "out out_dir outdir output output_dir output_path log_dir logdir save_dir savedir save_path save results_dir result_dir "
        "work_dir workdir exp_dir run_dir rundir default_root_dir dir checkpoint_dir ckpt_dir",
        "",
        FOLDER,
    ),
    Counterpart("name exp_name experiment_name run_name id tag", "", FOLDER),
    Counterpart("save_interval save_freq save_every checkpoint_interval ckpt_every save_steps", "checkpoint_minutes"),
    Counterpart(
        "eval_interval eval_freq eval_every val_interval eval_steps check_val_every_n_epoch num_evaluations val_freq",
        "method.evaluations method.retrain_evaluations",
    ),
    Counterpart(
        "logger log loggers wandb use_wandb tensorboard mlflow comet csv log_wandb report_to", "tracker", RECORD
    ),
    Counterpart("log_interval log_freq log_every_n_steps print_freq logging_steps", "", RECORD),
    Counterpart("plot plots plotting draw save_plots save_figures make_plots visualize", "figures"),
    Counterpart("val_split validation val_ratio val_size validation_split split valid select best_on", "selection"),
    Counterpart("debug fast_dev_run smoke dry_run quick limit_train_batches subset fraction data_fraction", "scale"),
    Counterpart("limit_val_batches eval_batches limit_test_batches", "evaluation_batches"),
    Counterpart("monitor metric metrics optimized_metric optimize_metric target_metric main_metric", "objective"),
    Counterpart("baseline reference baseline_path single_task_run", "baseline_run"),
    Counterpart("plugin user_dir packages imports", "plugins"),
    Counterpart("sparsity_lambda sparsity", "method.policy.sparsity_weight method.split_rate"),
    Counterpart("split_ratio keep_rate sr", "method.split_rate"),
    Counterpart("rank local_rank world_size nodes num_nodes n_nodes nproc_per_node distributed ddp", "", DEVICES),
    Counterpart("sync_batchnorm sync_bn syncbn sync_batch_norm", "batch_norm"),
)


VALUES = {  # our word -> how other tools write it
    "cuda": "gpu cuda:0 0 nvidia",
    "bfloat16": "16 bf16 fp16 float16 half amp mixed bf16-mixed 16-mixed true",
    "float32": "32 fp32 float full 32-true false",
}
_BY_WORD = {word: counterpart for counterpart in COUNTERPARTS for word in counterpart.words.split()}


def keys_for(key: str, known: Collection[str]) -> list[str]:
    """The keys among `known` that mean what other tools call by the last word of `key`: `trainer.max_epochs` -> method.epochs."""
    counterpart = _BY_WORD.get(_word(key))
    return [name for name in counterpart.keys.split() if name in known] if counterpart else []


def told(key: str) -> str:
    """What to say of a word of other tools that no key stands for, or nothing."""
    counterpart = _BY_WORD.get(_word(key))
    return counterpart.otherwise if counterpart else ""


def value_for(typed: str, words: Collection[str]) -> list[str]:
    """The one of `words` that other tools write like `typed`, if there is one: gpu -> cuda."""
    return [word for word in words if typed.lower() in VALUES.get(word, "").split()]


def _word(key: str) -> str:
    return re.split(r"[./]", key)[-1].lower().replace("-", "_").strip("_")
