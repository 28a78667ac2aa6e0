using System.Collections.Generic;

namespace Hutch.Model.Control;

/// <summary>
/// What a client asks of a running machine: one JSON object on a line, <c>{"verb":"save","file":"/x"}</c>. Everything but the verb is an option.
/// </summary>
/// <param name="Verb">What to do; the names are in <see cref="VmVerb"/>.</param>
/// <param name="Options">Names and values, as text. Options that a verb does not know are an error.</param>
public sealed record VmRequest(string Verb, IReadOnlyDictionary<string, string> Options)
{
    private static readonly Dictionary<string, string> None = [];

    /// <summary>A request without options.</summary>
    public VmRequest(string verb) : this(verb, None) { }
}

/// <summary>The verbs that a machine understands.</summary>
public static class VmVerb
{
    /// <summary>Answers with <see cref="VmReply.Status"/>.</summary>
    public const string Status = "status";

    /// <summary>
    /// Answers with <see cref="VmReply.Status"/>; from then on a line with a <see cref="VmReply.Event"/> comes over this connection whenever the machine does something else, before the answer
    /// to the request that made it, and other requests can be made beside.
    /// </summary>
    public const string Watch = "watch";

    /// <summary>Answers with <see cref="VmReply.Status"/> and <see cref="VmReply.Details"/>.</summary>
    public const string Inspect = "inspect";

    /// <summary>
    /// Changes where the machine runs on its host, by options: <c>vcpu-pin</c>, <c>emulator-pin</c>, <c>pin</c>, <c>sched</c>, <c>cgroup</c>, <c>ksm</c>, <c>memory-lock</c>;
    /// and its cables, by <c>link</c>: <c>CARD=up</c> or <c>CARD=down</c>, several with ';' between them;
    /// and the guest's memory, by <c>memory</c>: bytes that it is to have;
    /// and its vCPUs, by <c>vcpus</c>: how many it is to have. The guest has followed when <see cref="VmDetails"/> shows none that is offered or asked for.
    /// </summary>
    public const string Set = "set";

    /// <summary>Stops the vCPUs and the guest's clocks; nothing happens when they are stopped.</summary>
    public const string Pause = "pause";

    /// <summary>Lets them go on.</summary>
    public const string Resume = "resume";

    /// <summary>Resets the machine as its button does.</summary>
    public const string Reset = "reset";

    /// <summary>Presses the power button: the guest may switch itself off, or not.</summary>
    public const string PowerDown = "powerdown";

    /// <summary>Ends the machine at once, as pulling the plug does; its disks are flushed.</summary>
    public const string Quit = "quit";

    /// <summary>Makes a disk longer, by the options <c>disk</c>, its name, and <c>size</c>: bytes, or <c>+</c> and how many more.</summary>
    public const string Resize = "resize";

    /// <summary>
    /// Puts a medium into the drive of the option <c>drive</c>: the image <c>file</c>, or none where that is missing. A drive that the guest has locked is left alone, and its guest asked to give
    /// the medium up, unless the option <c>force</c> is there.
    /// </summary>
    public const string Media = "media";

    /// <summary>Plugs a device in while the guest runs; the option <c>device</c> is its configuration, as a machine's definition has it.</summary>
    public const string Attach = "attach";

    /// <summary>Asks the guest to give the device of the option <c>device</c> up. It is gone when <see cref="VmDetails.Devices"/> no longer names it.</summary>
    public const string Detach = "detach";

    /// <summary>Writes what the screen shows to the option <c>file</c>, whose name ends with <c>.png</c> or <c>.ppm</c>.</summary>
    public const string Screenshot = "screenshot";

    /// <summary>Writes the machine's state to the option <c>file</c>; the option <c>then</c> says what follows: <c>quit</c>, <c>resume</c> or <c>pause</c>.</summary>
    public const string Save = "save";
}
