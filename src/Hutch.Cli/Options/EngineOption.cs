using Hutch.Model.Machine;

namespace Hutch.Cli.Options;

/// <summary>The value of <c>--engine</c>.</summary>
internal static class EngineOption
{
    /// <summary>Reads it. Throws <see cref="UserException"/>.</summary>
    internal static EngineChoice Parse(string value) => value switch
    {
        "auto" => EngineChoice.Auto,
        "kvm" => EngineChoice.Kvm,
        "software" => EngineChoice.Software,
        _ => throw OptionText.Bad("--engine", value, "write auto, kvm or software."),
    };
}
