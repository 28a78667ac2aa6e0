using Hutch.Model.Machine;

namespace Hutch.Cli.Options;

/// <summary>The value of <c>--machine</c>.</summary>
internal static class MachineOption
{
    /// <summary>Reads it; null is q35. Throws <see cref="UserException"/>.</summary>
    internal static MachineKind Parse(string? value) => value switch
    {
        null or "q35" => MachineKind.Q35,
        "pc" => MachineKind.Pc,
        _ => throw OptionText.Bad("--machine", value, "write q35 or pc."),
    };
}
