using System.Collections.Generic;
using Hutch.Model.Machine;

namespace Hutch.Cli.Options;

/// <summary>The value of <c>--machine</c>: <c>q35|pc[,hpet=on|off]</c>.</summary>
internal static class MachineOption
{
    /// <summary>Reads it; null is q35. Throws <see cref="UserException"/>.</summary>
    internal static PlatformConfig Parse(string? value)
    {
        List<string> parts = OptionText.Split(value ?? "q35");
        MachineKind kind = parts[0] switch
        {
            "q35" => MachineKind.Q35,
            "pc" => MachineKind.Pc,
            _ => throw OptionText.Bad("--machine", value!, "write q35 or pc."),
        };
        bool hpet = true;
        for (int i = 1; i < parts.Count; i++)
        {
            (string key, string? text) = OptionText.KeyValue(parts[i]);
            if (key != "hpet") throw OptionText.Bad("--machine", value!, $"there is no option '{key}'; known is hpet.");
            hpet = text switch
            {
                "on" => true,
                "off" => false,
                _ => throw OptionText.Bad("--machine", value!, "hpet is on or off."),
            };
        }
        return new PlatformConfig("platform", kind, hpet);
    }
}
