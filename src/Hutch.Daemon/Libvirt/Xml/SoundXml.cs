using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>sound</c> and <c>audio</c>.</summary>
internal static class SoundXml
{
    internal static SoundDevice Read(XmlSource source) => source.Complete(
        new SoundDevice { Model = source.Word("model", ["sb16", "es1370", "pcspk", "ac97", "ich6", "ich9", "usb", "ich7", "virtio"]) ?? throw XmlSource.Bad("Missing required attribute 'model' in element 'sound'") }, ElementTable.Sound);

    internal static XElement Write(SoundDevice sound, DomainXmlOptions options) => new XElement("sound", new XAttribute("model", sound.Model)).Complete(sound, options, ElementTable.Sound);

    internal static AudioDevice ReadAudio(XmlSource source)
    {
        AudioDevice audio = new()
        {
            Id = source.UInt("id", int.MaxValue),
            Type = source.Word("type", ["none", "alsa", "coreaudio", "jack", "oss", "pulseaudio", "sdl", "spice", "file", "dbus"]) ?? throw XmlSource.Bad("Missing required attribute 'type' in element 'audio'"),
            Attributes = source.OtherAttributes(),
        };
        return audio with { Kept = source.Finish(ElementTable.Audio) };
    }

    internal static XElement Write(AudioDevice audio) => ElementTable.Audio.Arrange(
        new XElement("audio", XmlShape.Attribute("id", audio.Id), new XAttribute("type", audio.Type), XmlShape.Attributes(audio.Attributes)), audio.Kept);
}
