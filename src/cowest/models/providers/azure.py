"""Azure OpenAI: `azure/DEPLOYMENT` at the resource's address, by its v1 interface or by a dated one."""

from typing import TYPE_CHECKING, Self

from cowest.errors import InputError
from cowest.models.config import ModelConfig
from cowest.models.providers.openai import OpenAIModel

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI


class AzureModel(OpenAIModel):
    """Chat completions of a deployment.

    `base_url` is the resource, https://RESOURCE.openai.azure.com. With `options: {api_version: 2024-10-21}` the dated
    interface is called, else v1, which needs no version. Further options are fields of the request.
    """

    default_url = ""
    default_key_env = "AZURE_OPENAI_API_KEY"

    @classmethod
    def from_config(cls, config: ModelConfig, seed: int) -> Self:
        """Checks address, key and options; opens no connection.

        Raises:
            InputError: one of them is missing or wrong.
        """
        if config.base_url is None:
            raise InputError(
                f"{config.model!r} needs the address of its Azure resource. Give base_url: "
                "https://RESOURCE.openai.azure.com."
            )
        return super().from_config(config, seed)

    def __init__(self, config: ModelConfig, key: str) -> None:
        options = dict(config.options)
        version = options.pop("api_version", None)
        # YAML reads 2024-10-21 as a date.
        self._api_version = None if version is None else str(version)
        resource = (config.address or "").rstrip("/").removesuffix("/v1").removesuffix("/openai")
        super().__init__(config.model_copy(update={"base_url": resource, "options": options}), key)
        self.identity = f"{self.identity}|{self._api_version or 'v1'}"

    @property
    def _limit_field(self) -> str:
        return "max_completion_tokens"

    def _priced_as(self, answered: str) -> str:
        # A deployment may have any name; the reply tells which model stands behind it.
        return answered

    def _connect(self, http: "httpx2.AsyncClient") -> "AsyncOpenAI":
        from openai import AsyncAzureOpenAI, AsyncOpenAI

        if self._api_version is None:
            url = f"{self._base_url}/openai/v1"
            return AsyncOpenAI(api_key=self._key, base_url=url, max_retries=0, http_client=http)
        return AsyncAzureOpenAI(
            api_key=self._key,
            azure_endpoint=self._base_url,
            api_version=self._api_version,
            max_retries=0,
            http_client=http,
        )


PLUGIN = AzureModel
