"""Word lists that the content model is trained with: words of one meaning share a weight.

Each list is one feature more, the sum of its words' own; what is learnt for it is added to the weight of each of its
words when the model is written, so that a scan knows nothing of lists. A word that no training text holds gets the
weight of its list. Written from general knowledge of such prompts, in English and Chinese; an entry is one word, or two
neighbouring ones (in Chinese one or two characters).
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from stillwatch.observe.capability import BUCKETS, near
from stillwatch.observe.text_cues import pair_hashes
from stillwatch.observe.text_shingles import tokenise

__all__ = ["LEXICON", "lists"]

LEXICON: dict[str, str] = {
    "to reason": "reasoning, rationale, rationales, think, thinking, thought, thoughts, deliberation,"
        " deliberate, derive, derivation, deduce, deduction, deductions, logically, logic, intermediate,"
        " backtracking, monologue, cot, reflection, reassess, contemplate, 推理, 思考, 思维, 推导, 思路, 论证, 反思",
    "step by step": "step by, by step, steps, each step, chain of, show your, boxed, work through, think out,"
        " think carefully, 逐步, 一步, 步骤, 分步",
    "solved already": "final answer, reference answer, solution, solutions, reconstruct, hidden, led to,"
        " answer given, worked answer, finished response, correct answer, 最终, 参考, 解答, 还原, 反推",
    "sums": "solve, calculate, compute, math, mathematics, equation, triangle, integer, integers, probability,"
        " prove, theorem, remainder, ratio, angle, polynomial, how many, how much, altogether, twice,"
        " left over, geometry, physics, 方程, 面积, 概率, 证明, 求, 计算, 数学, 几何, 等差",
    "scores": "score, scores, scored, scoring, rate, rates, rating, ratings, grade, graded, grades, grading,"
        " grader, points, scale, rubric, rubrics, 评分, 打分, 分数, 得分, 满分, 细则",
    "judging": "evaluate, evaluation, evaluating, evaluator, evaluated, judge, judging, judgement, judgment,"
        " assess, assessing, assessment, verdict, verdicts, critique, examiner, impartial, referee, reviewer,"
        " annotator, verify, classifier, determine, 评价, 评审, 评判, 评估, 裁判, 阅卷, 评测, 核查, 判断",
    "comparing": "compare, comparison, prefer, preferred, preference, better, worse, best, rank, ranking,"
        " ranked, order them, winner, tie, pairwise, versus, 偏好, 排序, 更好, 平局, 优劣, 对比",
    "qualities": "correctness, relevance, relevant, coherence, coherent, faithfulness, faithful, factuality,"
        " hallucination, hallucinations, helpfulness, quality, accuracy, accurate, criteria, criterion,"
        " completeness, clarity, consistency, justification, incorrect, groundedness, supported, 维度, 质量, 准确,"
        " 相关, 正确, 标准",
    "judged": "response, responses, completion, completions, candidate, candidates, assistant's, model's,"
        " output a, output b, answer a, answer b, response a, response b, assistant a, assistant b,"
        " submission, submitted, predicted, prediction, predictions, ground truth, reference, student,"
        " student's, two responses, reward, 回答, 回复, 候选, 作答, 标准答, 奖励",
    "tools": "tool, tools, function, functions, api, apis, call, calls, calling, arguments, parameters,"
        " invoke, plugin, plugins, functioncall, tool_call, tool_calls, mcp, schema, endpoint, toolbox, 工具,"
        " 函数, 调用, 接口, 插件, 参数",
    "agents": "agent, agents, autonomous, autonomously, action, actions, observation, observations,"
        " trajectory, trajectories, planner, plan, plans, subtask, subtasks, workflow, orchestrator, delegate,"
        " handoff, worker, workers, coordinate, react, autogpt, memory, goal, environment, execute, team, 智能,"
        " 动作, 轨迹, 规划, 子任, 代理, 任务",
    "programs": "code, coding, python, javascript, java, typescript, rust, golang, html, css, sql, bash,"
        " script, function, class, programming, programmer, algorithm, snippet, docstring, implement,"
        " implementation, compile, stdin, stdout, standard input, unit tests, test cases, pytest, 代码, 编程, 函数,"
        " 脚本, 算法, 实现",
    "engineering": "workspace, notebook, ide, compiler, repository, repo, codebase, commit, pull request,"
        " git, bug, bugs, issue, patch, diff,"
        " refactor, debug, debugging, stack trace, traceback, merge, branch, developer, software, engineer,"
        " file, files, lines, editor, lint, dependency, dependencies, shell, 仓库, 重构, 补丁, 提交, 报错, 开发, 软件",
    "screens": "screenshot, screenshots, screen, gui, ui, desktop, interface, window, windows, display,"
        " resolution, pixel, pixels, coordinates, coordinate, cursor, pointer, accessibility, pyautogui, 截图,"
        " 屏幕, 界面, 坐标, 窗口, 桌面",
    "pressing": "click, clicks, clicking, mouse, keyboard, scroll, drag, tap, swipe, hover, hotkey, hotkeys,"
        " keystrokes, keypress, press, double click, left_click, type_text, 点击, 鼠标, 键盘, 滑动, 长按, 快捷, 输入",
    "controls": "button, buttons, element, elements, widget, widgets, control, controls, menu, dialog,"
        " checkbox, dropdown, icon, textbox, dom, xpath, indexes, node, tree, label, 按钮, 控件, 元素, 菜单",
    "web and apps": "browser, browse, webpage, web page, website, navigate, navigation, url, tab, tabs, login,"
        " page, android, phone, mobile, app, apps, application, applications, 浏览, 网页, 手机, 页面, 应用",
    "images": "image, images, picture, pictures, photo, photos, photograph, figure, visual, visually, caption,"
        " captions, captioning, scan, scanned, video, videos, frame, frames, diagram, depicted, ocr, vision,"
        " multimodal, bounding, camera, radiograph, drawing, shown, 图片, 照片, 图像, 图中, 视觉, 扫描, 看图,"
        " 图里, 视频, 画面",
    "data": "eda, feature engineering, visualize, legend, table, tables, csv, dataframe, dataset, pandas, sql,"
        " column, columns, row, rows, statistics,"
        " statistical, chart, charts, regression, pivot, spreadsheet, mean, median, database, query, queries,"
        " join, aggregate, average, correlation, visualization, visualizations, plot, plots, matplotlib,"
        " seaborn, vega, analyst, analytics, trend, trends, outliers, preprocessing, sales, revenue, 表格, 下表,"
        " 统计, 图表, 回归, 销售, 销量, 字段, 汇总, 均值, 趋势, 数据, 查询",
    "harm": "harmful, harm, unsafe, safe, safety, sensitive, toxic, toxicity, ethical, unethical, harmless,"
        " illegal, offensive, racist, sexist, dangerous, risky, slurs, threats, crime, criminal, hate,"
        " abusive, jailbreak, 安全, 敏感, 有害, 违法, 危险, 不当, 风险",
    "rules of content": "policy, policies, comply, compliant, complies, compliance, refuse, refuses, refusal,"
        " refused, declines, decline, censored, guidelines, guideline, alignment, constitutional,"
        " constitution, principle, principles, moderation, flagged, violate, violates, regulator, regulators,"
        " disclaimer, 合规, 违规, 拒绝, 拒答, 监管, 规定, 审核, 原则, 对齐",
    "rewriting": "rewrite, rewrites, rewritten, rewriting, revise, revised, revision, rephrase, paraphrase,"
        " reword, reworded, soften, softened, sanitize, redact, detoxify, neutral, remove, 改写, 改成, 重写, 修订,"
        " 润色, 去敏, 中性",
    "making data": "diverse, diversity, synthetic, generate, generates, training, brand new, instruction,"
        " instructions, seed, prompts, persona, personas, augmentation, distillation, supervised, brainstorm,"
        " come up, samples, inspiration, create, creating, produce, generator, pairs, scenario, scenarios,"
        " pretraining, fine tuning, complex version, textbook, 训练, 多样, 生成, 样本, 指令, 微调,"
        " 增强, 语料, 问答, 场景",
    "work on text": "translate, translation, translator, summarize, summarise, summary, summaries, classify,"
        " classification, extract, extraction, keywords, title, titles, sentiment, headline, entities,"
        " categories, category, simplify, standalone, outline, 翻译, 摘要, 概括, 分类, 抽取, 提取, 关键, 大纲, 改写",
    "given text": "context, document, documents, passage, paragraph, article, retrieved, excerpt, transcript,"
        " chat history, text below, following text, snippet, conversation, 资料, 段落, 文章, 原文, 材料, 下文",
    "role play": "act as, pretend, want you, in character, role play, my first, first request, be my, i will,"
        " you'll, will tell, roleplay, 扮演, 充当, 担任, 我的第, 假装, 我希望, 我想, 我要",
    "person": "i, my, me, i'm, i've, i'll, mine, we, our, myself, 我, 我们, 我的",
    "small talk": "thanks, thank, hello, hi, hey, lol, could you, can you, pls, btw, dont, im, u, 谢谢, 你好, 请问,"
        " 帮我, 吗, 呢, 吧, 哈",
    "form": "json, format, formatted, xml, yaml, tags, output only, only output, must, exactly, strictly,"
        " keys, fields, following format, valid json, markdown, 格式, 输出, 必须, 标签, 严格",
    "choice": "options, choices, choose, select, multiple choice, true or, letter, correct option, a b, 选项,"
        " 选择, 字母, 单选",
}


def lists() -> csr_array:
    """Which features are words of which list, shape (``BUCKETS``, twice the lists): anywhere, and in the beginning.

    Of an entry of three or more Chinese characters the first two count.
    """
    bucket: list[int] = []
    column: list[int] = []
    bits = np.uint64(BUCKETS.bit_length() - 1)
    for number, entries in enumerate(LEXICON.values()):
        for entry in entries.split(","):
            hashes = tokenise([entry.strip()]).hash
            hashes = hashes if len(hashes) == 1 else pair_hashes(hashes[:1], hashes[1:2])
            for place, found in enumerate((hashes, near(hashes))):
                bucket += (found >> (np.uint64(64) - bits)).tolist()
                column += [2 * number + place]
    members = csr_array((np.ones(len(bucket)), (bucket, column)), shape=(BUCKETS, 2 * len(LEXICON)))
    members.data[:] = 1
    return members
