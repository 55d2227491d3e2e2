"""CloudWatch: metric alarms and dashboards."""

from __future__ import annotations

from typing import Any

from .resource_type import Cloud, Created, Inputs, ResourceType, State, change_tags, same_json, tag_list

# the provider's name -> CloudWatch's, PutMetricAlarm and DescribeAlarms alike
_PLAIN = {
    "comparisonOperator": "ComparisonOperator",
    "evaluationPeriods": "EvaluationPeriods",
    "datapointsToAlarm": "DatapointsToAlarm",
    "metricName": "MetricName",
    "namespace": "Namespace",
    "period": "Period",
    "statistic": "Statistic",
    "extendedStatistic": "ExtendedStatistic",
    "threshold": "Threshold",
    "treatMissingData": "TreatMissingData",
    "alarmDescription": "AlarmDescription",
    "actionsEnabled": "ActionsEnabled",
    "alarmActions": "AlarmActions",
    "okActions": "OKActions",
    "insufficientDataActions": "InsufficientDataActions",
    "unit": "Unit",
}
_QUERY = {"id": "Id", "expression": "Expression", "label": "Label", "returnData": "ReturnData"}
_METRIC = {"metricName": "MetricName", "namespace": "Namespace"}


def _dimensions(values: Inputs) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in values.items()]


def _query(query: Inputs) -> dict[str, Any]:
    wanted: dict[str, Any] = {to: query[key] for key, to in _QUERY.items() if key in query}
    if "period" in query:
        wanted["Period"] = query["period"]
    metric = query.get("metric")
    if metric:
        wanted["MetricStat"] = {
            "Metric": {
                **{to: metric[key] for key, to in _METRIC.items() if key in metric},
                "Dimensions": _dimensions(metric.get("dimensions", {})),
            },
            "Period": metric["period"],
            "Stat": metric["stat"],
        }
    return wanted


def _put_alarm(cloud: Cloud, inputs: Inputs) -> None:
    wanted: dict[str, Any] = {to: inputs[key] for key, to in _PLAIN.items() if inputs.get(key) is not None}
    if inputs.get("dimensions"):
        wanted["Dimensions"] = _dimensions(inputs["dimensions"])
    if inputs.get("metricQueries"):
        wanted["Metrics"] = [_query(one) for one in inputs["metricQueries"]]
    cloud.client("cloudwatch").put_metric_alarm(AlarmName=inputs["name"], **wanted)


def _create_alarm(cloud: Cloud, inputs: Inputs) -> Created:
    _put_alarm(cloud, inputs)
    found = cloud.client("cloudwatch").describe_alarms(AlarmNames=[inputs["name"]])["MetricAlarms"][0]
    if inputs.get("tags"):
        cloud.client("cloudwatch").tag_resource(ResourceARN=found["AlarmArn"], Tags=tag_list(inputs))
    return inputs["name"], {"arn": found["AlarmArn"]}


def _read_alarm(cloud: Cloud, name: str, state: State) -> State | None:
    found = cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    if not found:
        return None
    (alarm,) = found
    read = {key: alarm.get(to) for key, to in _PLAIN.items() if state.get(key) is not None}
    if "dimensions" in state:
        read["dimensions"] = {one["Name"]: one["Value"] for one in alarm.get("Dimensions", [])}
    return read


def _update_alarm(cloud: Cloud, _name: str, old: State, new: Inputs) -> State:
    _put_alarm(cloud, new)
    change_tags(
        old,
        new,
        untag=lambda gone: cloud.client("cloudwatch").untag_resource(ResourceARN=old["arn"], TagKeys=gone),
        tag=lambda tags: cloud.client("cloudwatch").tag_resource(ResourceARN=old["arn"], Tags=tags),
    )
    return {}


def _delete_alarm(cloud: Cloud, name: str, _: State) -> None:
    cloud.client("cloudwatch").delete_alarms(AlarmNames=[name])


def _put_dashboard(cloud: Cloud, inputs: Inputs) -> Created:
    name = inputs["dashboardName"]
    cloud.client("cloudwatch").put_dashboard(DashboardName=name, DashboardBody=inputs["dashboardBody"])
    account = cloud.client("sts").get_caller_identity()["Account"]
    return name, {"dashboardArn": f"arn:aws:cloudwatch::{account}:dashboard/{name}"}


def _read_dashboard(cloud: Cloud, name: str, state: State) -> State:
    found = cloud.client("cloudwatch").get_dashboard(DashboardName=name)
    return {"dashboardBody": same_json(state.get("dashboardBody"), found["DashboardBody"])}


def _update_dashboard(cloud: Cloud, _name: str, _old: State, new: Inputs) -> State:
    _put_dashboard(cloud, new)
    return {}


def _delete_dashboard(cloud: Cloud, name: str, _: State) -> None:
    cloud.client("cloudwatch").delete_dashboards(DashboardNames=[name])


TYPES = (
    ResourceType(
        token="aws:cloudwatch/metricAlarm:MetricAlarm",  # noqa: S106 - a type's name
        carried=("name", "dimensions", "metricQueries", "tags", *_PLAIN),
        fixed=("name",),
        source="PutMetricAlarm: an alarm is known by its name",
        create=_create_alarm,
        read=_read_alarm,
        update=_update_alarm,
        delete=_delete_alarm,
        unread=("metricQueries", "tags"),  # the local AWS takes an alarm's queries, and forgets them
    ),
    ResourceType(
        token="aws:cloudwatch/dashboard:Dashboard",  # noqa: S106
        carried=("dashboardName", "dashboardBody"),
        fixed=("dashboardName",),
        source="PutDashboard: a dashboard is known by its name",
        create=_put_dashboard,
        read=_read_dashboard,
        update=_update_dashboard,
        delete=_delete_dashboard,
        auto_named=None,
    ),
)
